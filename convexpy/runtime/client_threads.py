"""Where calls of clients run: threads of their own, so that clients never delay what is scheduled, nor the reverse."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Final

from ..errors import Overloaded
from ..settings import Settings
from .thread_pool import ThreadPool

WAITING_PER_THREAD: Final = 80
"""How many calls may wait for each thread. A client of more is told to come again, while its answer is worth it."""
ACTIONS_PER_THREAD: Final = 20
"""Actions mostly wait for the outside world, so more of them run than there are threads."""


class ClientThreads(ThreadPool):
    """The threads of the queries and mutations that clients call."""

    def __init__(self, most: int, name: str) -> None:
        super().__init__(most, name)
        self._most_waiting = most * WAITING_PER_THREAD

    def check(self) -> None:
        """Refuse one more call.

        Raises:
            Overloaded: Too many wait already.
        """
        if self._waiting.qsize() >= self._most_waiting:
            raise Overloaded

    def replace(self, running: Future[Any]) -> None:
        """A client that has left makes no place: as many threads as in the settings are all that there are."""


class ActionLimit:
    """How many actions of clients run at the same time: many, since they mostly wait for the outside world."""

    def __init__(self, settings: Settings) -> None:
        self._most = max(settings.action_concurrency, settings.request_concurrency) * ACTIONS_PER_THREAD
        self._count = 0

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Count one more. Called on one event loop only.

        Raises:
            Overloaded: There are too many.
        """
        if self._count >= self._most:
            raise Overloaded
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1
