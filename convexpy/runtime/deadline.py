"""Time limits: a transaction past its limit is rolled back from outside, so a handler that hangs stops nobody."""

from __future__ import annotations

import ctypes
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..database.held import Held
from ..errors import FunctionTimeout


class Deadlines:
    """Watches the transactions that are open in this process, with one thread that sleeps until the next limit."""

    def __init__(self) -> None:
        self._mutex = threading.Condition()
        self._watched: dict[int, Watched] = {}
        self._sleeps_until = 0.0
        self._stopped = False
        self._thread: threading.Thread | None = None

    @contextmanager
    def limit(self, held: Held, seconds: float, on_late: Callable[[], None] | None = None) -> Iterator[None]:
        """Run the block under a time limit.

        Raises:
            FunctionTimeout: It took longer. The transaction is rolled back already.
        """
        watched = Watched(held, time.monotonic() + seconds, on_late)
        with self._mutex:
            self._watched[id(watched)] = watched
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="convexpy-deadlines", daemon=True)
                self._thread.start()
            elif watched.limit < self._sleeps_until:
                self._mutex.notify()
        try:
            yield
        except BaseException as error:
            if watched.leave():
                raise FunctionTimeout(f"ran longer than its limit of {seconds:g} s, so nothing was written") from error
            raise
        else:
            if watched.leave():
                raise FunctionTimeout(f"ran longer than its limit of {seconds:g} s, so nothing was written")
        finally:
            with self._mutex:
                self._watched.pop(id(watched), None)

    def stop(self) -> None:
        """Watch no more."""
        with self._mutex:
            self._stopped = True
            self._mutex.notify()

    def _watch(self) -> None:
        while True:
            with self._mutex:
                if self._stopped:
                    return
                now = time.monotonic()
                late = [watched for watched in self._watched.values() if watched.limit <= now]
                if not late:
                    self._sleeps_until = min((w.limit for w in self._watched.values()), default=math.inf)
                    self._mutex.wait(None if self._sleeps_until == math.inf else self._sleeps_until - now)
                    continue
                for watched in late:
                    del self._watched[id(watched)]
            for watched in late:
                watched.expire()


class Watched:
    """One handler under a limit, and the thread it runs on."""

    def __init__(self, held: Held, limit: float, on_late: Callable[[], None] | None) -> None:
        self.held = held
        self._on_late = on_late
        self.limit = limit
        self._thread = threading.get_ident()
        self._mutex = threading.Lock()
        self._left = False

    def expire(self) -> None:
        """Roll the transaction back and interrupt the handler's Python code, unless it has just ended."""
        with self._mutex:
            if not self._left and self.held.expire():
                raise_in(self._thread, FunctionTimeout)
                if self._on_late is not None:
                    self._on_late()

    def leave(self) -> bool:
        """The handler ended. True if its time was up; then no interruption is left to strike later."""
        with self._mutex:
            self._left = True
            if self.held.expired:
                raise_in(self._thread, None)
            return self.held.expired


def raise_in(thread: int, error: type[BaseException] | None) -> None:
    """Raise an exception between two lines of another thread; None takes back one that has not struck yet."""
    exception = ctypes.py_object(error) if error is not None else ctypes.c_void_p(None)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), exception)
