"""A pool of threads that ends with the process, whatever still runs on it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class ThreadPool(Executor):
    """Up to so many threads, each started when it is needed.

    The standard pool would keep the process alive until every handler on it has returned, and some never do.
    """

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._mutex = threading.Lock()
        self._count = 0
        self._idle = threading.Semaphore(0)
        self._waiting: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._stopped = False

    def submit(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run work on the next free thread."""
        future: Future[T] = Future()
        with self._mutex:
            if self._stopped:
                raise RuntimeError("the app is closed: nothing can be run any more")
            self._waiting.put((future, partial(work, *args, **kwargs)))
            if not self._idle.acquire(blocking=False) and self._count < self._most:
                self._count += 1
                threading.Thread(target=self._run, name=f"{self._name}-{self._count}", daemon=True).start()
        return future

    def shutdown(self, wait: bool = False, *, cancel_futures: bool = True) -> None:
        """Take no more work, and cancel what waits. What runs is left to itself: nothing here waits for it."""
        with self._mutex:
            self._stopped = True
            while cancel_futures:
                try:
                    waiting = self._waiting.get_nowait()
                except Empty:
                    break
                if waiting is not None:
                    waiting[0].cancel()
            self._waiting.put(None)

    def _run(self) -> None:
        while True:
            try:
                given = self._waiting.get_nowait()
            except Empty:
                self._idle.release()
                given = self._waiting.get()
            if given is None:
                self._waiting.put(None)  # for the next thread
                return
            future, work = given
            if future.set_running_or_notify_cancel():
                try:
                    result = work()
                except BaseException as error:
                    future.set_exception(error)
                else:
                    future.set_result(result)
                    del result
            del given, future, work  # nothing of it is kept alive while this thread waits
