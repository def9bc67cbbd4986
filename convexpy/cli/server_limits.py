"""What one client may take of a server: how long a request may come, how large its head is, how long it reads nothing.

uvicorn closes connections that are idle after a response, and sockets that do not answer pings. The rest is here.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

if TYPE_CHECKING:
    from websockets.frames import Frame

MOST_FILES: Final = 65_536
OTHER_FILES: Final = 256
MOST_FRAGMENTS: Final = 10_000
NOT_UTF_8: Final = 1007
MESSAGE_TOO_BIG: Final = 1009

TOO_MANY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\nretry-after: 1\r\n\r\n"
)
TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
TOO_SLOW: Final = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one server process. Durations are in seconds."""

    connections: int
    """How many connections there may be at the same time."""
    head_bytes: int = 64 * 1024
    """How large a request's first line and headers may be, together."""
    head_seconds: float = 20.0
    """How long they may take to arrive, from the connection or from the response before."""
    request_seconds: float = 300.0
    """How long a whole request may take to arrive."""
    unread_seconds: float = 30.0
    """How long a client may read nothing of what waits for it."""


def raise_file_limit() -> int:
    """Let this process open as many files as the system allows, up to a limit. How many connections that is."""
    if sys.platform == "win32":
        return MOST_FILES
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):  # a system may have limits besides
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    files = MOST_FILES if soft == resource.RLIM_INFINITY else min(soft, MOST_FILES)
    return max(files - OTHER_FILES, files // 2)


class LimitedConfig(uvicorn.Config):
    """uvicorn's configuration, with the limits that it lacks."""

    def __init__(self, app: Any, limits: Limits, **options: Any) -> None:
        super().__init__(app, http=LimitedHTTPProtocol, ws=LimitedSocketProtocol, **options)
        self.limits = limits


class Unread:
    """What waits for a client to be read, as it was seen last."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._size = 0
        self._since = 0.0

    def look(self, now: float, seconds: float) -> None:
        """Close the connection if nothing was read for so long. What waits for the client is discarded."""
        size = self._transport.get_write_buffer_size()
        if size == 0 or self._size == 0 or size < self._size:
            self._since = now
        elif now - self._since >= seconds:
            self._transport.abort()
        self._size = size


class LimitedHTTPProtocol(HttpToolsProtocol):
    """HTTP of one connection."""

    config: LimitedConfig

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.limits = self.config.limits
        self.unread = Unread(transport)
        self._expect_request()
        if len(self.connections) > self.limits.connections:
            self._refuse(TOO_MANY)

    def _expect_request(self) -> None:
        self._begun: float | None = self.loop.time()
        """When the request began that has not arrived in full. None: there is none."""
        self._is_in_head = True
        self._head_bytes = self._part_bytes = 0

    def data_received(self, data: bytes) -> None:
        if self._begun is None:
            self._expect_request()
        super().data_received(data)
        if self._is_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > self.limits.head_bytes:
                self._refuse(TOO_LARGE)

    def on_message_begin(self) -> None:
        self._expect_request()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(name + value)
        super().on_header(name, value)

    def _count(self, part: bytes) -> None:
        """Count a part of the head, or of what comes after a body in chunks."""
        self._part_bytes += len(part)
        if self._part_bytes > self.limits.head_bytes:
            raise ValueError("the head of the request is too large")

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._begun = None
        super().on_message_complete()

    def look(self, now: float) -> None:
        """Close the connection if its client is too slow."""
        self.unread.look(now, self.limits.unread_seconds)
        if self._begun is not None and not self.transport.is_closing():
            limit = self.limits.head_seconds if self._is_in_head else self.limits.request_seconds
            if now - self._begun >= limit:
                self._refuse(TOO_SLOW)

    def _refuse(self, response: bytes) -> None:
        if not self.transport.is_closing():
            if self.cycle is None or self.cycle.response_complete:
                self.transport.write(response)
            self.transport.close()


class LimitedSocketProtocol(WebSocketsSansIOProtocol):
    """A WebSocket of one connection."""

    config: LimitedConfig

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.unread = Unread(self.transport)

    def handle_ping(self) -> None:
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()  # a client that reads nothing gets no answers, or they would take all memory

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) >= MOST_FRAGMENTS:  # empty ones count for nothing in the size of the message
            self.conn.fail(MESSAGE_TOO_BIG, "too many fragments")
            self.handle_parser_exception()
            return
        super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text" and not is_utf_8(b"".join(self.frames)):
            self.conn.fail(NOT_UTF_8, "a text is not UTF-8")  # uvicorn would log a traceback of each
            self.handle_parser_exception()
            return
        super().send_receive_event_to_app()

    def look(self, now: float) -> None:
        """Close the connection if its client reads nothing."""
        self.unread.look(now, self.config.limits.unread_seconds)


def is_utf_8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def look_at(connections: Iterable[Any], now: float) -> None:
    """Close the connections whose clients are too slow."""
    for connection in list(connections):
        cast("LimitedHTTPProtocol | LimitedSocketProtocol", connection).look(now)
