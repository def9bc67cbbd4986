"""``RequestLimit``: how large a request may be, and how long its body may take to arrive."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .refusal import Refused

MOST_HEADER_BYTES: Final = 64 * 1024
MOST_ADDRESS_BYTES: Final = 64 * 1024
"""Arguments of a query may be part of an address."""
BODY_SECONDS: Final = 60.0
"""How long a client may take to send a body. A slow one holds no more than its own connection until then."""


class RequestLimit:
    """Refuses what is too large, before and while it is read, bodies that are compressed, and those that never end."""

    def __init__(self, app: ASGIApp, most_bytes: int, seconds: float = BODY_SECONDS) -> None:
        self._app = app
        self._most_bytes = most_bytes
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refused = self._refusal(scope)
        if refused is not None:
            await refused.response(scope, receive, send)
            return
        body = LimitedBody(receive, self._most_bytes, self._seconds)
        await self._app(scope, body.receive, send)

    def _refusal(self, scope: Scope) -> Refused | None:
        """Why a request is refused by its address and headers alone."""
        if sum(len(name) + len(text) for name, text in scope["headers"]) > MOST_HEADER_BYTES:
            return Refused(431, "HeadersTooLarge", f"the headers have more than {MOST_HEADER_BYTES} bytes")
        if len(scope["path"]) + len(scope["query_string"]) > MOST_ADDRESS_BYTES:
            return Refused(414, "AddressTooLong", f"the address has more than {MOST_ADDRESS_BYTES} bytes")
        headers = Headers(scope=scope)
        coding = headers.get("content-encoding", "identity").strip().lower()
        if coding != "identity":
            return Refused(415, "UnsupportedContentEncoding", "send the body as it is, without Content-Encoding")
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit():
            return Refused(400, "BadContentLength", "Content-Length is not a number")
        return too_large(self._most_bytes) if len(length) > 18 or int(length) > self._most_bytes else None


class LimitedBody:
    """The body of one request, as it arrives."""

    def __init__(self, receive: Receive, most_bytes: int, seconds: float) -> None:
        self._receive = receive
        self._most_bytes = most_bytes
        self._seconds = seconds
        self._bytes = 0
        self._deadline: float | None = None
        self._is_complete = False

    async def receive(self) -> Message:
        """The next message of the server.

        Raises:
            Refused: 413 past the limit, with a declared length or without; 408 past the time.
        """
        if self._is_complete:
            return await self._receive()
        message = await self._in_time()
        self._bytes += len(message.get("body", b""))
        if self._bytes > self._most_bytes:
            raise too_large(self._most_bytes)
        self._is_complete = not message.get("more_body", False)
        return message

    async def _in_time(self) -> Message:
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().time() + self._seconds
        try:
            async with asyncio.timeout_at(self._deadline):
                return await self._receive()
        except TimeoutError:
            raise Refused(408, "RequestTimeout", "the body took too long to arrive") from None


def too_large(most_bytes: int) -> Refused:
    return Refused(413, "PayloadTooLarge", f"the body has more than {most_bytes} bytes")
