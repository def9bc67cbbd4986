"""Cut off what takes too long, from a thread of its own: a network that went silent would be waited for for ever."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

logger = logging.getLogger("convexpy.database")


class Watchdog:
    """Calls ``cut`` for every block that is still open after its seconds. Its thread starts with the first block."""

    def __init__(self) -> None:
        self._mutex = threading.Condition()
        self._watched: dict[int, tuple[float, Callable[[], None]]] = {}
        self._next = 0
        self._sleeps_until = 0.0
        self._stopped = False
        self._thread: threading.Thread | None = None

    @contextmanager
    def limit(self, seconds: float, cut: Callable[[], None]) -> Iterator[None]:
        """A block that must be over by then."""
        ticket = self._add(time.monotonic() + seconds, cut)
        try:
            yield
        finally:
            with self._mutex:
                self._watched.pop(ticket, None)

    def stop(self) -> None:
        with self._mutex:
            self._stopped = True
            self._mutex.notify()

    def _add(self, deadline: float, cut: Callable[[], None]) -> int:
        with self._mutex:
            self._next += 1
            self._watched[self._next] = (deadline, cut)
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="convexpy-watchdog", daemon=True)
                self._thread.start()
            elif deadline < self._sleeps_until:
                self._mutex.notify()
            return self._next

    def _watch(self) -> None:
        while True:
            with self._mutex:
                if self._stopped:
                    return
                now = time.monotonic()
                late = [ticket for ticket, (deadline, _) in self._watched.items() if deadline <= now]
                cuts = [self._watched.pop(ticket)[1] for ticket in late]
                if not cuts:
                    self._sleeps_until = min((deadline for deadline, _ in self._watched.values()), default=math.inf)
                    self._mutex.wait(None if self._sleeps_until == math.inf else self._sleeps_until - now)
                    continue
            for cut in cuts:
                logger.warning("the database did not answer in time; its connection is cut")
                cut()
