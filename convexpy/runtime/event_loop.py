"""One event loop on a thread of its own, for actions that are called from code that has none."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Final, TypeVar

from ..fork import in_child
from .loop_stack import function_on
from .thread_pool import ThreadPool

PATIENCE_SECONDS: Final = 1.0
logger = logging.getLogger("convexpy.run")
T = TypeVar("T")


class EventLoopThread:
    """Starts with the first coroutine; ``stop()`` ends it after cancelling what still runs."""

    def __init__(self) -> None:
        self._begin()
        in_child.add(self._begin)

    def _begin(self) -> None:
        self._mutex = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine on the loop, from any other thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._running())

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Call it on the loop as soon as that has time, if it runs."""
        with self._mutex:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(callback)

    def current_function(self) -> str:
        """What the loop executes now, for a log."""
        thread = self._thread
        return function_on(thread) if thread is not None else "nothing"

    def is_here(self) -> bool:
        """Whether the caller is on the loop's own thread, where waiting for it would never end."""
        return threading.current_thread() is self._thread

    def stop(self) -> None:
        with self._mutex:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None:
            return
        try:
            asyncio.run_coroutine_threadsafe(cancel_all(), loop).result(PATIENCE_SECONDS)
        except TimeoutError:
            logger.error("an action blocks the event loop, or ignores that it was canceled; it is left behind")
            return
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE_SECONDS)
        if not thread.is_alive():
            loop.close()

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._mutex:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                # `asyncio.to_thread` of an action: the standard pool would keep the process alive until it returns.
                self._loop.set_default_executor(ThreadPool(min(32, (os.cpu_count() or 1) + 4), "convexpy-to-thread"))
                self._thread = threading.Thread(
                    target=run_to_the_end, args=(self._loop,), name="convexpy-actions", daemon=True
                )
                self._thread.start()
            return self._loop


def run_to_the_end(loop: asyncio.AbstractEventLoop) -> None:
    """Run the loop until it is told to stop. A SystemExit in a task of an action would end it for all the others."""
    while True:
        try:
            loop.run_forever()
        except BaseException:
            logger.exception("a task of an action raised this through the event loop, which goes on")
        else:
            return


async def cancel_all() -> None:
    """Cancel every other task and wait until each has ended."""
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
