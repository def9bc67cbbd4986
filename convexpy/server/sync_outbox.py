"""``Outbox``: what a socket sends, in order: responses first, then the newest Transition, and a Ping in silence."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from .sync_frames import PING
from .sync_socket import SEND_SECONDS, TRY_LATER, Ending, Socket
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

    def __init__(self, socket: Socket, waiting: WaitingBytes, most_bytes: int, give_up: Callable[[], None]) -> None:
        """Begin empty.

        Args:
            socket: Where to.
            waiting: What waits.
            most_bytes: A client that lets more responses wait is disconnected.
            give_up: Disconnects a client that takes nothing.
        """
        self._socket = socket
        self._waiting = waiting
        self._most_bytes = most_bytes
        self._give_up = give_up
        self._is_silent = False
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
        self._look_in(PING_SECONDS)
        try:
            while True:
                self.awake.clear()
                await self._write_next(transitions, check)
        finally:
            self._watch.cancel()

    async def _write_next(self, transitions: Transitions, check: Callable[[], None]) -> None:
        """Send what comes next, or wait until there may be something."""
        if self._frames:
            check()
            await self._send_response()
        elif frames := transitions.frames():
            check()
            for frame in frames:
                await self._socket.send(frame)
        elif self._is_silent:
            self._is_silent = False
            await self._socket.send(PING)
        else:
            self._is_empty.set()
            await self.awake.wait()

    def _look_in(self, seconds: float) -> None:
        """One timer for a socket: with one for each frame, timers would be a quarter of what a frame costs."""
        self._watch = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        """Ask for a Ping after a silence, and give up a client that takes nothing."""
        seconds = time.monotonic() - self._socket.last_use
        if self._socket.is_sending:
            if seconds >= SEND_SECONDS:
                self._give_up()
        elif seconds >= PING_SECONDS:
            self._is_silent = True
            self.awake.set()
        self._look_in(PING_SECONDS - seconds if 0 < seconds < PING_SECONDS else PING_SECONDS)

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
