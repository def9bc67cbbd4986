"""The clients of a server of sockets, thousands in one process, so each of them does as little as it can."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import struct
import threading
import uuid
from collections.abc import Callable
from typing import Final

import uvloop

from .adapter import run_adapter
from .live_adapter import LiveAdapter, Receive

HOST: Final = "127.0.0.1"
CONNECTING: Final = 50
"""So many connect at the same time."""
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
HEAD_END: Final = b"\r\n\r\n"
NUMBER: Final = re.compile(rb"\d+")
VALUE: Final = b'"value":['
MASKED: Final = 0x80
NO_MASK: Final = bytes(4)


class SocketsAdapter(LiveAdapter):
    """Connects to the server at a port: to convexpy's, or to one that is told a channel and sends its numbers."""

    MOST_SAMPLED = 10_000

    def follow_at(self, port: int, queries: int, sockets: int) -> None:
        """Subscribe, each over a socket of its own, and return once every one has its first value."""
        self._port = port
        self.follow(queries, sockets)

    def subscribe(self, receivers: list[tuple[int, Receive]]) -> None:
        threading.Thread(target=uvloop.run, args=(self._run(receivers),), daemon=True).start()

    def runs(self) -> int:
        return 0

    async def _run(self, receivers: list[tuple[int, Receive]]) -> None:
        loop, connecting = asyncio.get_running_loop(), asyncio.Semaphore(CONNECTING)

        async def connect(channel: int, receive: Receive) -> None:
            async with connecting:
                client = self._client(channel, receive)
                await loop.create_connection(lambda: client, HOST, self._port)
                await client.has_value.wait()

        await asyncio.gather(*[connect(channel, receive) for channel, receive in receivers])
        await asyncio.Event().wait()

    def _client(self, channel: int, receive: Receive) -> SocketClient:
        if self.options.get("by_hand"):
            return SocketClient("/", [str(channel)], receive, lambda text: text)
        add = {"type": "Add", "queryId": 0, "udfPath": "live:newest", "args": [{"channel": channel}]}
        messages = [
            {"type": "Connect", "sessionId": str(uuid.uuid4()), "connectionCount": 0, "lastCloseReason": None},
            {"type": "ModifyQuerySet", "baseVersion": 0, "newVersion": 1, "modifications": [add]},
        ]
        return SocketClient("/api/1.49.0/sync", [json.dumps(message) for message in messages], receive, value_of)


def value_of(text: bytes) -> bytes | None:
    """The value in a Transition, and what comes after it. None: there is none."""
    found = text.find(VALUE)
    return text[found + len(VALUE) :] if found >= 0 else None


class SocketClient(asyncio.Protocol):
    """One WebSocket: sends what it has to say at once, and takes the first number of every value.

    Args:
        path: Of the address.
        messages: What it says.
        receive: Called with each value.
        value: The part of a text that begins with a value. None: it has none.
    """

    def __init__(
        self, path: str, messages: list[str], receive: Receive, value: Callable[[bytes], bytes | None]
    ) -> None:
        self._path = path
        self._messages = messages
        self._receive = receive
        self._value = value
        self._data = b""
        self._is_open = False
        self.has_value = asyncio.Event()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        lines = (
            f"GET {self._path} HTTP/1.1",
            f"Host: {HOST}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        )
        transport.write("\r\n".join(lines).encode() + HEAD_END)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not self._is_open:
            head, end, self._data = self._data.partition(HEAD_END)
            if not end:
                self._data = head
                return
            self._is_open = True
            for message in self._messages:
                self._send(TEXT, message.encode())
        while (frame := self._next_frame()) is not None:
            self._on_frame(*frame)

    def _next_frame(self) -> tuple[int, bytes] | None:
        """The opcode and the payload of a frame that is complete. A server masks none."""
        data = self._data
        if len(data) < 2:
            return None
        size, start = data[1], 2
        if size == 126:
            size, start = int.from_bytes(data[2:4]), 4
        elif size == 127:
            size, start = int.from_bytes(data[2:10]), 10
        if len(data) < start + size:
            return None
        self._data = data[start + size :]
        return data[0] & 0x0F, data[start : start + size]

    def _on_frame(self, opcode: int, payload: bytes) -> None:
        if opcode == TEXT:
            value = self._value(payload)
            if value is not None:
                number = NUMBER.match(value.lstrip(b"["))
                self._receive([int(number[0])] if number else [])
                self.has_value.set()
        elif opcode == PING:
            self._send(PONG, payload)

    def _send(self, opcode: int, payload: bytes) -> None:
        size = len(payload)
        head = bytes((MASKED | opcode, MASKED | (size if size < 126 else 126)))
        self._transport.write(head + (b"" if size < 126 else struct.pack(">H", size)) + NO_MASK + payload)


if __name__ == "__main__":
    run_adapter(SocketsAdapter)
