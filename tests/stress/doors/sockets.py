"""Sockets of hostile clients: frames are written byte by byte, so that they need not be any."""

from __future__ import annotations

import asyncio
import json
import os
import random
import struct
from collections import Counter
from contextlib import suppress
from typing import Final

from .nonsense import huge, message, text

SECONDS: Final = 20.0
QUIET_SECONDS: Final = 0.05
SESSION: Final = "8c1a7ea5-f9f0-4f9a-9d4e-5b9f1c0e0001"
HEAD: Final = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
)
TEXT, BINARY, CLOSE, PING = 1, 2, 8, 9


def frame(payload: bytes, kind: int = TEXT, *, first: int = 0x80, mask: bool = True) -> bytes:
    """A frame of the WebSocket protocol. ``first``: the bits beside its kind."""
    bit, size = (0x80 if mask else 0), len(payload)
    if size < 126:
        head = struct.pack("!BB", first | kind, bit | size)
    elif size < 65_536:
        head = struct.pack("!BBH", first | kind, bit | 126, size)
    else:
        head = struct.pack("!BBQ", first | kind, bit | 127, size)
    # The mask of zeros leaves the payload as it is.
    return head + (b"\0\0\0\0" if mask else b"") + payload


class HostileSockets:
    """Clients that send nonsense, each over a socket of its own."""

    def __init__(self, port: int, rng: random.Random) -> None:
        self._port = port
        self._rng = rng
        self.frames = 0
        self.closed: Counter[str] = Counter()
        """With which codes the server has closed them."""

    async def attack(self) -> None:
        """One client, from its handshake to its end."""
        rng = self._rng
        chance = rng.random()
        with suppress(OSError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            try:
                async with asyncio.timeout(SECONDS):
                    if chance < 0.03:
                        await self._half_handshake(writer)
                    else:
                        await self._talk(reader, writer)
            except TimeoutError:
                self.closed["nothing in time"] += 1
            finally:
                writer.transport.abort()

    async def _half_handshake(self, writer: asyncio.StreamWriter) -> None:
        head = HEAD.format(path="/api/1.49.0/sync", port=self._port, more="").encode()
        writer.write(head[: self._rng.randrange(len(head))] + os.urandom(self._rng.randrange(30)))
        await asyncio.sleep(self._rng.random())

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        rng = self._rng
        path = rng.choice(("/api/1.49.0/sync", "/api/sync", "/api/0.1/sync", "/api/x/sync", "/api/99999999.1/sync"))
        writer.write(HEAD.format(path=path, port=self._port, more="").encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        if b" 101 " not in answer:
            self.closed[f"refused {answer[:12].decode(errors='replace')}"] += 1
            return
        writer.write(b"".join(self._frames()))
        with suppress(OSError):
            await writer.drain()
        await self._read(reader)

    def _frames(self) -> list[bytes]:
        rng, frames = self._rng, []
        if rng.random() < 0.9:
            session = SESSION if rng.random() < 0.1 else f"{rng.random()}"
            frames.append(frame(json.dumps({"type": "Connect", "sessionId": session}).encode()))
        # A message that is not allowed ends a socket, so most come after some that are.
        for _ in range(rng.choice((1, 3, 10, 40))):
            harmless = [{"type": "Event"}, {**message(rng), "type": "Event"}]
            made = rng.choice(harmless) if rng.random() < 0.5 else self._call()
            frames.append(frame(json.dumps(made).encode()))
        frames.append(self._wrong_frame() if rng.random() < 0.2 else frame(text(rng).encode(errors="surrogatepass")))
        frames.extend(frame(text(rng).encode(errors="surrogatepass")) for _ in range(rng.randrange(3)))
        self.frames += len(frames)
        return frames

    def _call(self) -> dict[str, object]:
        while True:
            made = message(self._rng)
            if made["type"] in ("Mutation", "Action"):
                return made

    def _wrong_frame(self) -> bytes:
        rng = self._rng
        return rng.choice(
            (
                frame(os.urandom(20), BINARY),
                frame(b"\xff\xfe\xc0", TEXT),
                frame(b"{}", TEXT, mask=False),
                frame(b"{}", TEXT, first=0xF0),
                frame(b"{}", rng.randrange(3, 16)),
                frame(os.urandom(200), PING),
                frame(b"{", TEXT, first=0) + frame(b"{}", TEXT),
                frame(b"{", TEXT, first=0) + frame(b"", 0, first=0) * 200 + frame(b"}", 0),
                frame(b"", 0),
                frame(b"\x03", CLOSE),
                frame(struct.pack("!H", rng.randrange(65_536)) + b"x", CLOSE),
                struct.pack("!BBQ", 0x81, 0xFF, 2**63 - 1) + b"\0\0\0\0{}",
                os.urandom(rng.randrange(1, 300)),
            )
        )

    async def _read(self, reader: asyncio.StreamReader) -> None:
        """Read until the server closes, or has nothing more to say."""
        with suppress(TimeoutError):
            while True:
                async with asyncio.timeout(QUIET_SECONDS if self._rng.random() < 0.3 else 2.0):
                    kind, size = await reader.readexactly(2)
                    size &= 0x7F
                    if size > 125:
                        size = int.from_bytes(await reader.readexactly(2 if size == 126 else 8))
                    payload = await reader.readexactly(size)
                if kind & 0x0F == CLOSE:
                    self.closed[described(payload)] += 1
                    return

    async def send_huge(self, size: int) -> None:
        """One message that is as large as may be, or larger."""
        with suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            try:
                async with asyncio.timeout(SECONDS):
                    writer.write(HEAD.format(path="/api/1.49.0/sync", port=self._port, more="").encode())
                    await reader.readuntil(b"\r\n\r\n")
                    writer.write(frame(json.dumps({"type": "Connect", "sessionId": SESSION}).encode()))
                    writer.write(frame(huge(self._rng, size).encode()))
                    self.frames += 2
                    await writer.drain()
                    await self._read(reader)
            finally:
                writer.transport.abort()

    async def read_nothing(self, seconds: float) -> None:
        """Subscribe to large results, and do not read them."""
        queries = [
            {
                "type": "Add",
                "queryId": number,
                "udfPath": "counters:large",
                "args": [{"key": number, "letters": 2_000_000}],
            }
            for number in range(4)
        ]
        with suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=1024)
            try:
                writer.write(HEAD.format(path="/api/1.49.0/sync", port=self._port, more="").encode())
                await reader.readuntil(b"\r\n\r\n")
                reader._transport.pause_reading()  # type: ignore[attr-defined]
                change = {"type": "ModifyQuerySet", "baseVersion": 0, "newVersion": 1, "modifications": queries}
                writer.write(frame(json.dumps({"type": "Connect", "sessionId": SESSION}).encode()))
                writer.write(frame(json.dumps(change).encode()))
                calls = [
                    {
                        "type": "Action",
                        "requestId": number,
                        "udfPath": "values:pass_on",
                        "args": [{"value": "a" * 100_000}],
                    }
                    for number in range(20)
                ]
                writer.write(b"".join(frame(json.dumps(call).encode()) for call in calls))
                self.frames += 22
                await asyncio.sleep(seconds)
            finally:
                writer.transport.abort()


def described(close: bytes) -> str:
    """The code of a close frame, and the reason of one that says that the server has failed."""
    code = str(int.from_bytes(close[:2])) if close else "1005"
    return f"{code} {close[2:].decode(errors='replace')}" if code == "1011" else code
