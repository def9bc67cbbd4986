"""How many groups run at the same time: while one commits, another one runs; more would be in each other's way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

GROUPS: Final = 2


class Turns:
    """Two turns, of which a group that met a conflict takes both."""

    def __init__(self) -> None:
        self._free = threading.Semaphore(GROUPS)
        self._wanting_all = threading.Lock()

    @contextmanager
    def one(self) -> Iterator[None]:
        """Wait for a turn."""
        with self._free:
            yield

    @contextmanager
    def all(self) -> Iterator[None]:
        """Wait until no other group runs."""
        with self._wanting_all:  # two that hold one turn each and wait for the other's would wait for ever
            for _ in range(GROUPS):
                self._free.acquire()
        try:
            yield
        finally:
            self._free.release(GROUPS)
