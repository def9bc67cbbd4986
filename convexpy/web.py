"""For a web app of your own, FastAPI or Starlette: ``from convexpy.web import install_error_handler``."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, Protocol
from uuid import uuid4

from pydantic_core import to_json

from .errors import ConvexError, InternalError, InvalidResult, ReadOnlyError, TransactionEnded

logger = logging.getLogger("convexpy.web")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

FAILED: Final = 500
"""From this status on the fault is the server's."""
REDACTED: Final = (InternalError, InvalidResult, ReadOnlyError, TransactionEnded)
"""Errors of the server whose text may show statements and values. The log has it."""
# Codes with which a WebSocket is closed.
SERVER_ERROR: Final = 1011
POLICY_VIOLATION: Final = 1008
REASON_BYTES: Final = 123


class WebApp(Protocol):
    """What FastAPI and Starlette have in common."""

    def add_exception_handler(self, exc_class_or_status_code: Any, handler: Any, /) -> None: ...


def install_error_handler(app: WebApp) -> None:
    """Let a web app answer every ``ConvexError`` with its status, and with its code, message and data as JSON.

    ``{"status": "error", "errorMessage": …, "errorCode": …, "errorData": …}``. A status from 500 on is logged to
    ``convexpy.web`` with the traceback. What the database said is in that log only: the client gets an id instead.
    """
    app.add_exception_handler(ConvexError, answer)


async def answer(request: Any, error: ConvexError) -> ErrorResponse:
    """The response to a request, or to a WebSocket, whose endpoint raised a ConvexError."""
    message = error.message
    if isinstance(error, REDACTED):
        request_id = uuid4().hex
        message = f"internal error, request {request_id}"
        logger.error("request %s, %s: %s", request_id, request.url.path, error, exc_info=error)
    elif error.status >= FAILED:
        logger.error("%s: %s", request.url.path, error, exc_info=error)
    return ErrorResponse(error, message)


class ErrorResponse:
    """An ASGI application that sends one error. It needs nothing of any framework."""

    def __init__(self, error: ConvexError, message: str) -> None:
        self.status_code = error.status
        self.reason = f"{error.code}: {message}"
        document = {"status": "error", "errorMessage": message, "errorCode": error.code, "errorData": error.data}
        self.body = to_json(document, fallback=str)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            code = SERVER_ERROR if self.status_code >= FAILED else POLICY_VIOLATION
            reason = self.reason.encode()[:REASON_BYTES].decode(errors="ignore")
            await send({"type": "websocket.close", "code": code, "reason": reason})
            return
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(self.body)).encode())]
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})
