"""``Outbox``: what a socket sends, in order: responses first, then the newest Transition, and a Ping in silence."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from .sync_frames import PING
from .sync_socket import TRY_LATER, Ending, Socket
from .sync_transitions import Transitions

PING_SECONDS: Final = 15.0
"""Clients take a longer silence for a broken connection."""


class WaitingBytes:
    """How much of a socket waits: calls that have not ended, and responses that were not sent."""

    def __init__(self, pause_at: int) -> None:
        """``pause_at``: with so many nothing more is read."""
        self._pause_at = pause_at
        self._has_room = asyncio.Event()
        self._has_room.set()
        self.count = 0

    def add(self, size: int) -> None:
        self.count += size
        if self.count >= self._pause_at:
            self._has_room.clear()

    def remove(self, size: int) -> None:
        self.count -= size
        if self.count < self._pause_at:
            self._has_room.set()

    async def wait_for_room(self) -> None:
        await self._has_room.wait()


class Outbox:
    """Of one socket, on its event loop."""

    def __init__(self, socket: Socket, waiting: WaitingBytes, most_bytes: int) -> None:
        """``most_bytes``: a client that lets more responses wait is disconnected."""
        self._socket = socket
        self._waiting = waiting
        self._most_bytes = most_bytes
        self._frames: deque[str] = deque()
        self._size = 0
        self.awake = asyncio.Event()
        """Set when there may be something to send."""
        self._is_empty = asyncio.Event()

    def put(self, frame: str) -> None:
        """Send a response.

        Raises:
            Ending: Too much waits already.
        """
        self._frames.append(frame)
        self._size += len(frame)
        self._waiting.add(len(frame))
        self._is_empty.clear()
        self.awake.set()
        if self._size > self._most_bytes and len(self._frames) > 1:
            raise Ending(TRY_LATER, "TooManyUnreadResponses")

    async def write(self, transitions: Transitions, check: Callable[[], None]) -> None:
        """Send without end.

        Args:
            transitions: What to send besides.
            check: Called before each frame with results. It raises an Ending if the client may have none.
        """
        while True:
            self.awake.clear()
            if self._frames:
                check()
                await self._send_response()
                continue
            frames = transitions.frames()
            if frames:
                check()
                for frame in frames:
                    await self._socket.send(frame)
                continue
            self._is_empty.set()
            try:
                async with asyncio.timeout(PING_SECONDS):
                    await self.awake.wait()
            except TimeoutError:
                await self._socket.send(PING)

    async def _send_response(self) -> None:
        frame = self._frames.popleft()
        self._size -= len(frame)
        try:
            await self._socket.send(frame)
        finally:
            self._waiting.remove(len(frame))

    async def wait_until_empty(self) -> None:
        """Return when all responses were sent."""
        await self._is_empty.wait()
