"""How many groups run at the same time: while one commits, another one runs; more would be in each other's way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

GROUPS: Final = 2
# Who has a turn may hang. Then being in each other's way is better than waiting until its time limit.
PATIENCE_SECONDS: Final = 1.0


class Turns:
    """Two turns, of which a group that met a conflict takes both."""

    def __init__(self) -> None:
        self._free = threading.Semaphore(GROUPS)
        self._wanting_all = threading.Lock()

    @contextmanager
    def one(self) -> Iterator[None]:
        """Wait for a turn."""
        with self._taken(1):
            yield

    @contextmanager
    def all(self) -> Iterator[None]:
        """Wait until no other group runs."""
        with self._taken(GROUPS):
            yield

    @contextmanager
    def _taken(self, wanted: int) -> Iterator[None]:
        taken = self._take(wanted)
        try:
            yield
        finally:
            if taken:
                self._free.release(taken)

    def _take(self, wanted: int) -> int:
        """Wait for so many turns, but not for ever. How many it were."""
        if wanted == 1:
            return int(self._free.acquire(timeout=PATIENCE_SECONDS))
        with self._wanting_all:  # two that hold one turn each and wait for the other's would wait for nothing
            return sum(self._free.acquire(timeout=PATIENCE_SECONDS) for _ in range(wanted))
