"""How many groups run at the same time: while one commits, another one runs; more would be in each other's way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

GROUPS: Final = 2


class Turn:
    """So many of the turns, until they are given back: by whoever took them, or for a thread that never comes back."""

    def __init__(self, free: threading.Semaphore, number: int) -> None:
        self._free = free
        self._number = number
        self._mutex = threading.Lock()

    def give_back(self) -> None:
        """Let the next one in. Once is enough."""
        with self._mutex:
            number, self._number = self._number, 0
        if number:
            self._free.release(number)


class Turns:
    """Two turns, of which a group that met a conflict takes both."""

    def __init__(self) -> None:
        self._free = threading.Semaphore(GROUPS)
        self._wanting_all = threading.Lock()

    @contextmanager
    def one(self) -> Iterator[Turn]:
        """Wait for a turn."""
        self._free.acquire()
        turn = Turn(self._free, 1)
        try:
            yield turn
        finally:
            turn.give_back()

    @contextmanager
    def all(self) -> Iterator[Turn]:
        """Wait until no other group runs."""
        with self._wanting_all:  # two that hold one turn each and wait for the other's would wait for ever
            for _ in range(GROUPS):
                self._free.acquire()
        turn = Turn(self._free, GROUPS)
        try:
            yield turn
        finally:
            turn.give_back()
