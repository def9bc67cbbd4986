"""A function that keeps losing to others runs one at a time in this process, for as long as that goes on.

Transactions that all change the same row can only commit one after the other. Run side by side, each commit would cost
the others their work; in a lane they wait instead. Between processes, backoff has to do.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

HOT_SECONDS: Final = 1.0


class Lanes:
    """One lane for each function that met a conflict a moment ago."""

    def __init__(self, patience_seconds: float) -> None:
        self._patience = patience_seconds
        self._mutex = threading.Lock()
        self._lanes: dict[str, threading.RLock] = {}
        self._hot_until: dict[str, float] = {}

    def conflict(self, name: str) -> None:
        """A call of this function met a conflict."""
        with self._mutex:
            self._lanes.setdefault(name, threading.RLock())
            self._hot_until[name] = time.monotonic() + HOT_SECONDS

    @contextmanager
    def pass_through(self, name: str) -> Iterator[None]:
        """Wait for the lane, if the function is hot. Who waits for too long goes on beside it."""
        if self._hot_until.get(name, 0.0) < time.monotonic():
            yield
            return
        lane = self._lanes[name]
        taken = lane.acquire(timeout=self._patience)
        try:
            yield
        finally:
            if taken:
                lane.release()
