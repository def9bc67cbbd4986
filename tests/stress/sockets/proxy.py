"""A TCP proxy between clients and servers that cuts connections, holds them up, and lets them wait."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from contextlib import suppress
from typing import Final

CHUNK: Final = 65_536


class Line:
    """One connection through the proxy."""

    def __init__(self, server: int, writers: tuple[asyncio.StreamWriter, asyncio.StreamWriter]) -> None:
        self.server = server
        self._writers = writers
        self._passes = asyncio.Event()
        self._passes.set()
        self._delay = 0.0

    def reset(self) -> None:
        """RST to both sides, as from a network that has lost the connection."""
        for writer in self._writers:
            with suppress(OSError):
                end = writer.get_extra_info("socket")
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    def freeze(self, seconds: float) -> None:
        """Let nothing through for so long."""
        self._passes.clear()
        asyncio.get_running_loop().call_later(seconds, self._passes.set)

    def slow_down(self, delay: float, seconds: float) -> None:
        """Delay what comes by the first for the second."""
        self._delay = delay

        def end() -> None:
            self._delay = 0.0

        asyncio.get_running_loop().call_later(seconds, end)

    async def pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what one side sends, until it ends."""
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                if self._delay:
                    await asyncio.sleep(self._delay)
                await self._passes.wait()
                writer.write(data)
                await writer.drain()


class Proxy:
    """One port for clients. Each connection goes to some server, without any stickiness."""

    def __init__(self, servers: list[int], rng: random.Random) -> None:
        """``servers``: their ports."""
        self._servers = servers
        self._rng = rng
        self.lines: set[Line] = set()
        self._listener: asyncio.Server | None = None
        self.port = 0

    async def open(self) -> None:
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=1000)
        self.port = int(self._listener.sockets[0].getsockname()[1])

    def close(self) -> None:
        if self._listener is not None:
            self._listener.close()
        for line in tuple(self.lines):
            line.reset()

    def some(self, most: int) -> list[Line]:
        """Some of the connections."""
        lines = list(self.lines)
        return self._rng.sample(lines, min(len(lines), self._rng.randint(1, most)))

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._carry(reader, writer)
        except asyncio.CancelledError:  # the run is over
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for port in self._rng.sample(self._servers, len(self._servers)):
            with suppress(OSError):
                from_server, to_server = await asyncio.open_connection("127.0.0.1", port)
                break
        else:
            writer.transport.abort()
            return
        line = Line(port, (writer, to_server))
        self.lines.add(line)
        halves = [
            asyncio.ensure_future(line.pump(reader, to_server)),
            asyncio.ensure_future(line.pump(from_server, writer)),
        ]
        try:
            await asyncio.wait(halves, return_when=asyncio.FIRST_COMPLETED)
            # What the other side has still sent comes before the end.
            for end in (writer, to_server):
                with suppress(OSError, RuntimeError):
                    end.write_eof()
            await asyncio.wait(halves, timeout=1.0)
        finally:
            for half in halves:
                half.cancel()
            self.lines.discard(line)
            writer.close()
            to_server.close()
