"""``Socket``: the frames of one WebSocket, and how it ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from .sync_frames import fatal_error

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

SEND_SECONDS: Final = 60.0
"""A client that takes nothing for so long is dead."""
REASON_BYTES: Final = 123

NORMAL: Final = 1000
POLICY_VIOLATION: Final = 1008
SERVER_ERROR: Final = 1011
RESTART: Final = 1012
TRY_LATER: Final = 1013


class Ending(Exception):
    """Why a socket is closed by the server."""

    def __init__(self, code: int, reason: str = "", last_frame: str | None = None) -> None:
        """``reason``: what the client's log shows. ``last_frame``: sent before."""
        super().__init__(code, reason)
        self.code = code
        self.reason = reason
        self.last_frame = last_frame

    @classmethod
    def fatal(cls, message: str) -> Ending:
        """The client is at fault, and would be again: it does not connect again."""
        return cls(POLICY_VIOLATION, "ProtocolViolation", fatal_error(message))


class Disconnected(Exception):
    """The client has left."""


class Socket:
    """Reads by one task, and writes by another."""

    def __init__(self, receive: Receive, send: Send, most_bytes: int) -> None:
        self._receive = receive
        self._send = send
        self._most_bytes = most_bytes
        self.received = 0
        self.sent = 0
        self.is_sending = False
        self.last_use = time.monotonic()
        """When the last frame was given away, or has got room."""

    async def accept(self) -> None:
        """Answer the handshake."""
        message = await self._receive()
        if message["type"] != "websocket.connect":
            raise Disconnected
        await self._send({"type": "websocket.accept"})

    async def receive(self) -> str:
        """The next frame.

        Raises:
            Disconnected: There is none any more.
            Ending: It is too large, or no text.
        """
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            raise Disconnected
        text: str | None = message.get("text")
        if text is None:
            raise Ending.fatal("frames are texts")
        if len(text) > self._most_bytes or (not text.isascii() and len(text.encode()) > self._most_bytes):
            raise Ending.fatal(f"a message has at most {self._most_bytes} bytes")
        self.received += 1
        return text

    async def send(self, text: str) -> None:
        """Send a frame. It returns when there is room for another one: who sends watches how long that takes.

        Raises:
            Disconnected: The client has left.
        """
        self.is_sending, self.last_use = True, time.monotonic()
        try:
            await self._send({"type": "websocket.send", "text": text})
        except (OSError, RuntimeError) as error:  # uvicorn has closed it, as for a client that is silent
            raise Disconnected from error
        self.is_sending, self.last_use = False, time.monotonic()
        self.sent += 1

    async def close(self, ending: Ending) -> None:
        """Send the last frame, and close."""
        reason = ending.reason.encode()[:REASON_BYTES].decode(errors="ignore")
        try:
            async with asyncio.timeout(SEND_SECONDS):
                if ending.last_frame is not None:
                    await self._send({"type": "websocket.send", "text": ending.last_frame})
                await self._send({"type": "websocket.close", "code": ending.code, "reason": reason})
        except (OSError, TimeoutError, RuntimeError):  # it was quicker
            pass
