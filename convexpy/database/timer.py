"""One thread that calls functions at their deadlines: time limits of handlers, and of a database that is silent."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from ..fork import in_child

logger = logging.getLogger("convexpy.database")


class TimerHandle:
    """A call that is due at ``deadline``, by the monotonic clock."""

    __slots__ = ("_handles", "callback", "deadline")

    def __init__(self, deadline: float, callback: Callable[[], None], handles: dict[int, TimerHandle]) -> None:
        self.deadline: Final = deadline
        self.callback: Final = callback
        self._handles = handles
        handles[id(self)] = self

    def cancel(self) -> None:
        """Do not call it, unless that is already under way."""
        self._handles.pop(id(self), None)


class Timer:
    """Its thread starts with the first call and sleeps until the next deadline. What it calls must return soon."""

    def __init__(self) -> None:
        self._stopped = False
        self._begin()
        in_child.add(self._begin)

    def _begin(self) -> None:
        self._changed = threading.Condition()
        self._handles: dict[int, TimerHandle] = {}
        self._sleeps_until = math.inf
        self._thread: threading.Thread | None = None

    def call_later(self, seconds: float, callback: Callable[[], None]) -> TimerHandle:
        """Call it after so many seconds."""
        # The handle is stored before `_sleeps_until` is read; the thread sets `_sleeps_until` before it reads the
        # handles. So one of the two sees the other, and the usual case, a deadline far away, takes no lock.
        handle = TimerHandle(time.monotonic() + seconds, callback, self._handles)
        if handle.deadline < self._sleeps_until:
            self._wake()
        return handle

    @contextmanager
    def limit(self, seconds: float, callback: Callable[[], None]) -> Iterator[None]:
        """Call it if the block is still open after so many seconds."""
        handle = self.call_later(seconds, callback)
        try:
            yield
        finally:
            handle.cancel()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def _wake(self) -> None:
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="convexpy-timer", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._stopped:
                    return
                self._sleeps_until = math.inf  # every call from here on takes the lock
                now = time.monotonic()
                waiting = list(self._handles.values())
                due = sorted((each for each in waiting if each.deadline <= now), key=lambda handle: handle.deadline)
                if not due:
                    self._sleeps_until = min((handle.deadline for handle in waiting), default=math.inf)
                    self._changed.wait(None if self._sleeps_until == math.inf else self._sleeps_until - now)
                    continue
            for handle in due:
                handle.cancel()
                try:
                    handle.callback()
                except Exception:
                    logger.exception("a timer's callback failed")
