"""How many groups run at the same time: as many as keep this process busy, and no more.

Python runs one thread at a time, so a second group helps only as far as the first one waits for the database: hardly
where that is near, and much where every statement is a journey. Groups that run side by side may also be in each
other's way. So there is one at first, another one where they leave time to spare, and one less after a conflict.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# How often it is considered whether there should be more or fewer.
WINDOW_SECONDS: Final = 0.5
# What of the time the groups' threads were running, so that one more is wanted, or one less.
IDLE_SHARE: Final = 0.4
BUSY_SHARE: Final = 0.8
# After a conflict there are no more of them for so long.
CALM_SECONDS: Final = 10.0
# A turn that takes longer than this counts no more: a handler hangs, or waits for something.
PATIENCE_SECONDS: Final = 1.0


class Turns:
    """The turns of one process's groups. One that takes long, or for ever, keeps nobody waiting for longer."""

    def __init__(self, most: int) -> None:
        self.limit = 1
        self._most = most
        self._changed = threading.Condition()
        self._begun: dict[object, float] = {}
        self._alone: object | None = None
        self._somebody_waited = False
        self._busy_seconds = 0.0
        self._window_began = time.monotonic()
        self._calm_until = 0.0

    @contextmanager
    def one(self) -> Iterator[None]:
        """Wait for a turn."""
        turn = object()
        with self._changed:
            while (seconds := self._wait_seconds(self.limit)) > 0:
                self._somebody_waited = True
                self._changed.wait(seconds)
            self._begun[turn] = time.monotonic()
        began = time.thread_time()
        try:
            yield
        finally:
            with self._changed:
                self._busy_seconds += time.thread_time() - began
                self._consider()
                self._end(turn)

    @contextmanager
    def all(self) -> Iterator[None]:
        """Wait until no other group runs, because of a conflict."""
        turn = object()
        with self._changed:
            self.limit = max(1, self.limit - 1)
            self._calm_until = time.monotonic() + CALM_SECONDS
            while (seconds := self._wait_seconds(1)) > 0:
                self._changed.wait(seconds)
            self._begun[turn] = time.monotonic()
            self._alone = turn
        try:
            yield
        finally:
            with self._changed:
                self._end(turn)

    def _wait_seconds(self, limit: int) -> float:
        """How long to wait before there may be a turn besides those that have begun. 0: there is one."""
        oldest = time.monotonic() - PATIENCE_SECONDS
        begun = [when for when in self._begun.values() if when > oldest]
        if len(begun) < (1 if self._begun.get(self._alone, 0.0) > oldest else limit):
            return 0.0
        return min(begun) - oldest

    def _end(self, turn: object) -> None:
        del self._begun[turn]
        if self._alone is turn:
            self._alone = None
        self._changed.notify_all()

    def _consider(self) -> None:
        """Whether the last while was too busy, or too idle."""
        seconds = time.monotonic() - self._window_began
        if seconds < WINDOW_SECONDS:
            return
        share = self._busy_seconds / seconds
        if share > BUSY_SHARE:
            self.limit = max(1, self.limit - 1)
        elif share < IDLE_SHARE and self._somebody_waited and time.monotonic() > self._calm_until:
            self.limit = min(self._most, self.limit + 1)
        self._busy_seconds = 0.0
        self._somebody_waited = False
        self._window_began = time.monotonic()
