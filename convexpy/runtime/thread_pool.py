"""A pool of threads that ends with the process, whatever still runs on it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import Context, ContextVar
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, ParamSpec, TypeVar

from ..fork import in_child

P = ParamSpec("P")
T = TypeVar("T")

# The pools on whose threads the callers wait that have led to this call.
HELD: ContextVar[frozenset[str]] = ContextVar("convexpy_held_threads", default=frozenset())


class ThreadPool(ThreadPoolExecutor):
    """Up to so many threads, each started when it is needed.

    The standard pool would keep the process alive until every handler on it has returned, and some never do. This one
    inherits nothing but its type, without which no event loop takes it as its own.
    """

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._stopped = False
        self._begin()
        in_child.add(self._begin)

    def _begin(self) -> None:
        self._mutex = threading.Lock()
        self._count = 0
        self._idle = threading.Semaphore(0)
        self._waiting: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._nested: ThreadPool | None = None

    def has_room(self) -> bool:
        """Whether work that is submitted now begins at once."""
        with self._mutex:
            if self._count < self._most:
                return True
            if is_idle := self._idle.acquire(blocking=False):
                self._idle.release()
            return is_idle

    def submit(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run work on the next free thread."""
        future: Future[T] = Future()
        with self._mutex:
            if self._stopped:
                raise RuntimeError("the app is closed: nothing can be run any more")
            self._waiting.put((future, partial(work, *args, **kwargs)))
            if not self._idle.acquire(blocking=False):
                self._start_thread()
        return future

    def submit_in(self, context: Context, work: Callable[[], T]) -> Future[T]:
        """Run work in a context. Work that is waited for on a thread of this pool needs no place in it."""
        held = context.get(HELD, frozenset())
        if self._name in held:
            return self._beyond_the_limit().submit(context.run, work)
        context.run(HELD.set, held | {self._name})
        return self.submit(context.run, work)

    def replace(self, running: Future[Any]) -> None:
        """What still runs may never return: until it does, another thread has its place."""
        if running.done():
            return
        with self._mutex:
            self._most += 1
            if not self._waiting.empty():
                self._start_thread()
        running.add_done_callback(self._returned)

    def shutdown(self, wait: bool = False, *, cancel_futures: bool = True) -> None:
        """Take no more work, and cancel what waits. What runs is left to itself: nothing here waits for it."""
        with self._mutex:
            self._stopped = True
            if self._nested is not None:
                self._nested.shutdown()
            while cancel_futures:
                try:
                    waiting = self._waiting.get_nowait()
                except Empty:
                    break
                if waiting is not None:
                    waiting[0].cancel()
            self._waiting.put(None)

    def _beyond_the_limit(self) -> ThreadPool:
        with self._mutex:
            if self._nested is None:
                self._nested = ThreadPool(sys.maxsize, self._name)
                self._nested._stopped = self._stopped
            return self._nested

    def _start_thread(self) -> None:
        if self._count < self._most:
            self._count += 1
            threading.Thread(target=self._run, name=f"{self._name}-{self._count}", daemon=True).start()

    def _returned(self, done: Future[Any]) -> None:
        with self._mutex:
            self._most -= 1

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
