"""Between the app and its PostgreSQL server: a proxy that understands enough of the protocol to cut at COMMIT.

Every process of the app has a port of its own, so that a fault can be meant for one of them. It runs in a process of
its own, and gets its commands over a pipe.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, Final, Literal

from .parent_death import die_with_parent

Mode = Literal["pass", "blackhole", "latency", "refuse"]
Cut = Literal["before COMMIT", "after COMMIT"]

ENCRYPTION: Final = (80877103, 80877104)  # a request for TLS or GSS, answered by one byte
CANCEL: Final = 80877102
CHUNK: Final = 65536


class Port:
    """What is done to the connections of one process."""

    def __init__(self) -> None:
        self.mode: Mode = "pass"
        self.seconds = 0.0
        self.cut: Cut | None = None
        self.cuts_left = 0
        self.fired = 0
        self.lines: set[Line] = set()
        self.passes = asyncio.Event()
        self.passes.set()

    def set_mode(self, mode: Mode, seconds: float) -> None:
        self.mode, self.seconds, self.fired = mode, seconds, 0
        if mode == "refuse":
            for line in tuple(self.lines):
                self.fired += 1
                line.reset()
        if mode == "blackhole":
            self.passes.clear()
        else:
            self.passes.set()

    async def hold_up(self) -> None:
        """What a mode does to a message on its way."""
        if self.mode == "latency":
            self.fired += 1
            await asyncio.sleep(self.seconds)
        elif not self.passes.is_set():
            self.fired += 1
            await self.passes.wait()


class Line:
    """One connection through the proxy."""

    def __init__(self, port: Port, client: tuple[Any, Any], server: tuple[Any, Any]) -> None:
        self._port = port
        self._from_client, self._to_client = client
        self._from_server, self._to_server = server
        self._listening_for_commit = False
        port.lines.add(self)

    async def run(self) -> None:
        halves = [asyncio.ensure_future(self._forth()), asyncio.ensure_future(self._back())]
        try:
            await asyncio.wait(halves, return_when=asyncio.FIRST_COMPLETED)
            # One side has hung up: what the other still sends is dropped.
        finally:
            for half in halves:
                half.cancel()
            await asyncio.gather(*halves, return_exceptions=True)
            self._port.lines.discard(self)
            self._to_client.close()
            self._to_server.close()

    def reset(self) -> None:
        """RST to both sides, as from a network that lost the connection."""
        for writer in (self._to_client, self._to_server):
            end = writer.get_extra_info("socket")
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    async def _forth(self) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            if not await self._greet():
                return
            rest = b""
            while data := await self._from_client.read(CHUNK):
                whole, rest = whole_messages(rest + data)
                if self._port.cut is not None and ends_with_commit(whole):
                    if self._port.cut == "before COMMIT":
                        self._fire()
                        self.reset()
                        return
                    self._listening_for_commit = True
                await self._port.hold_up()
                self._to_server.write(whole)
                await self._to_server.drain()

    async def _greet(self) -> bool:
        """Pass on what comes before the first typed message. False: it was a request to cancel, and that is all."""
        while True:
            head = await self._from_client.readexactly(8)
            size, code = struct.unpack("!ii", head)
            rest = await self._from_client.readexactly(size - 8)
            await self._port.hold_up()
            self._to_server.write(head + rest)
            await self._to_server.drain()
            if code not in ENCRYPTION:
                return bool(code != CANCEL)

    async def _back(self) -> None:
        with suppress(ConnectionError):
            while data := await self._from_server.read(CHUNK):
                if self._listening_for_commit and await self._swallowed(data):
                    return
                await self._port.hold_up()
                self._to_client.write(data)
                await self._to_client.drain()

    async def _swallowed(self, data: bytes) -> bool:
        """Whether the server has committed, so that its answer was dropped and the line cut."""
        self._listening_for_commit = False
        while not data.endswith((b"Z\x00\x00\x00\x05I", b"Z\x00\x00\x00\x05T", b"Z\x00\x00\x00\x05E")):
            more = await self._from_server.read(CHUNK)
            if not more:
                break
            data += more
        if b"C\x00\x00\x00\x0bCOMMIT\x00" in data and self._port.cut == "after COMMIT":
            self._fire()
            self.reset()
            return True
        self._to_client.write(data)  # it did not commit: the client must hear why
        await self._to_client.drain()
        return False

    def _fire(self) -> None:
        port = self._port
        port.fired += 1
        port.cuts_left -= 1
        if port.cuts_left <= 0:
            port.cut = None


def whole_messages(data: bytes) -> tuple[bytes, bytes]:
    """What a client sent, up to the end of the last message that is whole, and the rest."""
    end = 0
    while len(data) - end >= 5:
        size = 1 + int.from_bytes(data[end + 1 : end + 5])
        if end + size > len(data):
            break
        end += size
    return data[:end], data[end:]


def messages(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Whole messages, as kind and body."""
    start = 0
    while start < len(data):
        end = start + 1 + int.from_bytes(data[start + 1 : start + 5])
        yield data[start : start + 1], data[start + 5 : end]
        start = end


def ends_with_commit(data: bytes) -> bool:
    return b"COMMIT" in data.upper() and any(is_commit(kind, body) for kind, body in messages(data))


def is_commit(kind: bytes, body: bytes) -> bool:
    """Whether a message asks for COMMIT, alone or as the last of several statements."""
    if kind == b"Q":
        text = body
    elif kind == b"P":  # a statement to prepare: its name, then its text
        text = body.partition(b"\0")[2].partition(b"\0")[0]
    else:
        return False
    return text.rstrip(b"\0; \n").upper().endswith(b"COMMIT")


class Proxy:
    """The ports, and the commands that its parent gives."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._ports: dict[str, Port] = {}
        self._servers: list[asyncio.Server] = []
        self._running: set[asyncio.Task[None]] = set()

    async def open(self, name: str) -> int:
        """A port for the connections of one process."""
        port = self._ports[name] = Port()

        async def accept(reader: Any, writer: Any) -> None:
            with suppress(asyncio.CancelledError):  # the proxy is closed; asyncio would log it as an error
                await self._connect(port, reader, writer)

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def _connect(self, port: Port, reader: Any, writer: Any) -> None:
        if port.mode == "refuse":
            port.fired += 1
            writer.transport.abort()
            return
        try:
            server = await asyncio.open_connection("127.0.0.1", self._server_port)
        except OSError:
            writer.transport.abort()
            return
        await Line(port, (reader, writer), server).run()

    async def close(self) -> None:
        """Take no more connections, and end those that there are."""
        for server in self._servers:
            server.close()
        for port in self._ports.values():
            for line in tuple(port.lines):
                line.reset()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def do(self, command: str, name: str, *args: Any) -> int:
        """Carry out a command. How often what is set on the port has struck so far."""
        port = self._ports[name]
        if command == "cut":
            port.cut, port.cuts_left = args
            port.fired = 0
        elif command == "mode":
            struck = port.fired
            port.set_mode(*args)
            return struck
        elif command == "reset":
            for line in tuple(port.lines):
                line.reset()
        return port.fired  # and "look" asks for nothing else


def serve_proxy(server_port: int, names: list[str], pipe: Connection) -> None:
    """The main function of the proxy's process. It ends with the pipe."""
    die_with_parent()
    os.setsid()  # signals of the parent's terminal reach the parent only
    asyncio.run(answer(server_port, names, pipe))


async def answer(server_port: int, names: list[str], pipe: Connection) -> None:
    proxy = Proxy(server_port)
    pipe.send("ready")
    ports = {name: await proxy.open(name) for name in names}
    loop = asyncio.get_running_loop()
    receive: Callable[[], Any] = pipe.recv
    with suppress(EOFError, ConnectionResetError):
        while True:
            command, *args = await loop.run_in_executor(None, receive)
            if command == "stop":
                return
            pipe.send(ports if command == "ports" else proxy.do(command, *args))
