"""``LoopThread``: an event loop on a thread of its own, for callers on any thread and any event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from ..fork import in_child

T = TypeVar("T")


class LoopThread:
    """It starts with the first coroutine, and in a child that was forked anew."""

    def __init__(self) -> None:
        self._begin()
        in_child.add(self._begin)

    def _begin(self) -> None:
        self._mutex = threading.Lock()
        self._running: RunningLoop | None = None

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine on the loop."""
        with self._mutex:
            if self._running is None:
                self._running = RunningLoop()
            return asyncio.run_coroutine_threadsafe(coroutine, self._running.loop)

    def stop(self) -> None:
        """End the loop, and cancel what still runs on it."""
        with self._mutex:
            running, self._running = self._running, None
        if running is not None:
            running.stop()


class RunningLoop:
    """A loop that runs on its thread until it is stopped."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop
        self._end: asyncio.Event
        self._has_begun = threading.Event()
        self._thread = threading.Thread(target=asyncio.run, args=(self._run(),), name="convexpy-client", daemon=True)
        self._thread.start()
        self._has_begun.wait()

    async def _run(self) -> None:
        self.loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        self._has_begun.set()
        await self._end.wait()

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self._end.set)
        self._thread.join()
