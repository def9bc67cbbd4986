"""Requests over connections that stay open, each sent when the one before is answered."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import uvloop

from .process import MeasurementFailed

HEAD_END: Final = b"\r\n\r\n"
LENGTH: Final = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
OK: Final = b"HTTP/1.1 200 "
FAILED: Final = b'"status":"error"'


@dataclass
class Answers:
    """What a load has brought."""

    milliseconds: list[float] = field(default_factory=list)
    refused: list[bytes] = field(default_factory=list)


def load(port: int, request: Callable[[int], bytes], connections: int, seconds: float) -> Answers:
    """Send requests for so long.

    Args:
        port: Where the server listens.
        request: The request of each number.
        connections: How many clients there are.
        seconds: For how long requests are sent. Those that are open then are answered.

    Raises:
        MeasurementFailed: A connection was closed.
    """
    return uvloop.run(send_all(port, request, connections, seconds))


async def send_all(port: int, request: Callable[[int], bytes], connections: int, seconds: float) -> Answers:
    loop, answers = asyncio.get_running_loop(), Answers()
    deadline = time.monotonic() + seconds
    clients = [HTTPClient(request, number, connections, deadline, answers) for number in range(connections)]
    for client in clients:
        await loop.create_connection(lambda client=client: client, "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.gather(*[client.ended for client in clients])
    return answers


class HTTPClient(asyncio.Protocol):
    """One connection. Its requests have the numbers ``number``, ``number + step``, and so on."""

    def __init__(
        self, request: Callable[[int], bytes], number: int, step: int, deadline: float, answers: Answers
    ) -> None:
        self._request = request
        self._number = number
        self._step = step
        self._deadline = deadline
        self._answers = answers
        self._data = b""
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(MeasurementFailed(f"the server closed a connection: {exc or 'it said nothing'}"))

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, end, body = self._data.partition(HEAD_END)
        found = LENGTH.search(head) if end else None
        if found is None or len(body) < int(found[1]):
            return
        if head.startswith(OK) and FAILED not in body:
            self._answers.milliseconds.append((time.monotonic() - self._sent) * 1000)
        else:
            self._answers.refused.append(self._data[:500])
        self._data = b""
        if time.monotonic() < self._deadline:
            self._send()
        else:
            self.ended.set_result(None)
            self._transport.close()

    def _send(self) -> None:
        self._sent = time.monotonic()
        self._transport.write(self._request(self._number))
        self._number += self._step


def post(path: str, body: bytes) -> bytes:
    """A request as browsers and clients of Convex send it."""
    lines = (
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Accept: */*",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join(lines).encode() + HEAD_END + body
