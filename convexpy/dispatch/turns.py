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


class Turns:
    """The turns of one process's groups."""

    def __init__(self, most: int) -> None:
        self.limit = 1
        self._most = most
        self._changed = threading.Condition()
        self._running = 0
        self._wanting_all = 0
        self._somebody_waited = False
        self._busy_seconds = 0.0
        self._window_began = time.monotonic()
        self._calm_until = 0.0

    @contextmanager
    def one(self) -> Iterator[None]:
        """Wait for a turn."""
        with self._changed:
            while self._running >= self.limit or self._wanting_all:
                self._somebody_waited = True
                self._changed.wait()
            self._running += 1
        began = time.thread_time()
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._busy_seconds += time.thread_time() - began
                self._consider()
                self._changed.notify_all()

    @contextmanager
    def all(self) -> Iterator[None]:
        """Wait until no other group runs, because of a conflict."""
        with self._changed:
            self.limit = max(1, self.limit - 1)
            self._calm_until = time.monotonic() + CALM_SECONDS
            self._wanting_all += 1
            while self._running:
                self._changed.wait()
            self._running += 1
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._wanting_all -= 1
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
