"""HTTP of the app's own: ``from convexpy.web import Request, Response, http_route``.

And for a web app of the user's own, FastAPI or Starlette: ``from convexpy.web import install_error_handler``.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any, Concatenate, Final, ParamSpec, Protocol, overload
from uuid import uuid4

from pydantic_core import to_json
from starlette.responses import Response

from .errors import ConvexError, InternalError, InvalidResult, ReadOnlyError, TransactionEnded
from .functions.http_routes import HttpRoute, check_route_handler
from .runtime.context import ActionCtx, SyncActionCtx
from .server.request import Request

__all__ = ["ErrorResponse", "Request", "Response", "answer", "http_route", "install_error_handler"]

P = ParamSpec("P")

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


class RouteDecorator:
    """Makes a route of a handler."""

    def __init__(self, method: str, path: str) -> None:
        self._method = method
        self._path = path

    @overload
    def __call__(
        self, handler: Callable[Concatenate[ActionCtx, Request, P], Coroutine[Any, Any, Response]], /
    ) -> HttpRoute[ActionCtx, Concatenate[Request, P], Coroutine[Any, Any, Response], Response]: ...
    @overload
    def __call__(
        self, handler: Callable[Concatenate[SyncActionCtx, Request, P], Response], /
    ) -> HttpRoute[SyncActionCtx, Concatenate[Request, P], Response, Response]: ...
    def __call__(self, handler: Callable[..., Any], /) -> Any:
        check_route_handler(handler, self._method, self._path)
        return HttpRoute(self._method, self._path, handler)


def http_route(method: str, path: str) -> RouteDecorator:
    """Let a handler answer the HTTP requests of a method and a path.

    ::

        @http_route("POST", "/webhooks/stripe/{account}")
        async def stripe(ctx: ActionCtx, request: Request, account: str) -> Response:
            check_signature(await request.body(), request.headers["stripe-signature"])
            await ctx.run_mutation(record_payment, account=account, event=await request.json())
            return Response(status_code=204)

    It is an action, ``async def`` or ``def``, and open to everybody: ``ctx.identity`` is the user if the request has a
    valid token, and None otherwise.

    Args:
        method: Such as ``"GET"`` or ``"POST"``.
        path: Where it answers. ``{account}`` is a parameter, read by its annotation; ``{rest:path}`` takes all the
            segments that follow. Not below ``/api`` or ``/dashboard``.
    """
    return RouteDecorator(method, path)


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
