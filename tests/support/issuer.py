"""An issuer's server on this machine, as good or as bad as a test wants it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Answer = bytes | Callable[[], Awaitable[bytes]]


def http(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    """An answer as it goes over the wire."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


class FakeIssuer:
    """Answers each path with its bytes. ``asked`` are the paths that were asked for, in order."""

    def __init__(self, **answers: Answer) -> None:
        self.answers: dict[str, Answer] = {f"/{path}": answer for path, answer in answers.items()}
        self.asked: list[str] = []
        self.headers: list[bytes] = []
        self.url = ""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[FakeIssuer]:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split()[1].decode()
            self.asked.append(path)
            self.headers.append(head)
            answer = self.answers.get(path, http(b"", "404 Not Found"))
            writer.write(answer if isinstance(answer, bytes) else await answer())
            await writer.drain()
        except (ConnectionError, asyncio.CancelledError):
            pass  # the other side had enough
        finally:
            writer.close()
