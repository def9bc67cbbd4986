"""Time limits: a transaction past its limit is rolled back from outside, so a handler that hangs stops nobody."""

from __future__ import annotations

import ctypes
import math
import threading
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

from ..database.errors import ConnectionLost
from ..database.transaction import OpenTransaction
from ..errors import FunctionTimeout

T = TypeVar("T")

AGAIN_SECONDS: Final = 1.0


class TimeIsUp(BaseException):
    """Raised between two lines of a handler that ran past its limit. No ``except Exception`` holds it up."""


class Deadlines:
    """Watches the transactions that are open in this process, with one thread that sleeps until the next limit."""

    def __init__(self) -> None:
        self._mutex = threading.Condition()
        self._watched: dict[int, Watched] = {}
        self._sleeps_until = math.inf
        self._stopped = False
        self._thread: threading.Thread | None = None

    def run(
        self, work: Callable[[], T], held: OpenTransaction, seconds: float, on_late: Callable[[], None] | None = None
    ) -> T:
        """Run a handler under a time limit.

        Raises:
            FunctionTimeout: It took longer. Its transaction is rolled back already.
            ConnectionLost: The database took longer to begin the transaction, for which the handler cannot be blamed.
        """
        watched = Watched(held, time.monotonic() + seconds, on_late)
        self._add(watched)
        failure: BaseException | None = None
        result: Any = None
        try:
            try:
                result = work()
            except BaseException as error:
                failure = error
            is_late = watched.leave()
        except TimeIsUp as error:
            # It struck just after the handler had ended; the next one would be a second away.
            is_late, failure = watched.leave(), failure or error
        self._remove(watched)
        try:
            if is_late and watched.database_is_late:
                raise ConnectionLost("the database did not answer while a transaction was being begun") from failure
            if is_late:
                text = f"ran longer than its limit of {seconds:g} s, so nothing was written"
                raise FunctionTimeout(text) from failure
            if failure is not None:
                raise failure
            return cast(T, result)
        finally:
            del failure  # or the error and this frame would keep each other alive

    def _add(self, watched: Watched) -> None:
        # First it is there, then it looks: who sleeps says until when only after having seen who is there.
        self._watched[id(watched)] = watched
        if watched.limit >= self._sleeps_until:
            return
        with self._mutex:
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="convexpy-deadlines", daemon=True)
                self._thread.start()
            self._mutex.notify()

    def _remove(self, watched: Watched) -> None:
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
                self._sleeps_until = math.inf  # whoever comes from here on says so
                now = time.monotonic()
                there = list(self._watched.values())
                late = [watched for watched in there if watched.limit <= now]
                if not late:
                    self._sleeps_until = min((watched.limit for watched in there), default=math.inf)
                    self._mutex.wait(None if self._sleeps_until == math.inf else self._sleeps_until - now)
                    continue
                for watched in late:
                    watched.limit = now + AGAIN_SECONDS  # a handler may swallow an interruption
            for watched in late:
                watched.expire()


class Watched:
    """One handler under a limit, and the thread it runs on."""

    def __init__(self, held: OpenTransaction, limit: float, on_late: Callable[[], None] | None) -> None:
        self.held = held
        self._on_late = on_late
        self.limit = limit
        self._thread = threading.get_ident()
        self._mutex = threading.Lock()
        self._left = False
        self.database_is_late = False

    def expire(self) -> None:
        """Roll the transaction back and interrupt the handler's Python code, unless it has just ended."""
        with self._mutex:
            if self._left:
                return
            self.database_is_late = self.database_is_late or self.held.waits_for_begin
            is_first = self.held.expire()
            if self.held.expired:
                raise_in(self._thread, TimeIsUp)
            if is_first and self._on_late is not None:
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
