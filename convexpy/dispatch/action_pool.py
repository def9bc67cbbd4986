"""The pool of actions: on the event loop, up to a number at the same time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, Final

from ..database.claim import Claim
from ..database.types import JobId
from ..functions.declare import Kind
from ..runtime.event_loop import EventLoopThread
from .executor import JobExecutor

# How long to wait until it is stored that actions were stopped.
PATIENCE_SECONDS: Final = 5.0


class ActionPool:
    """Apart from mutations, so that slow actions delay none of them."""

    kind = Kind.ACTION

    def __init__(
        self, executor: JobExecutor, event_loop: EventLoopThread, size: int, on_capacity: Callable[[Kind], None]
    ) -> None:
        """``on_capacity`` is called when an action has ended."""
        self._executor = executor
        self._event_loop = event_loop
        self._size = size
        self._on_capacity = on_capacity
        self._mutex = threading.Lock()
        self._running: dict[Future[None], JobId] = {}
        self._tasks: set[asyncio.Task[Any]] = set()  # used on the event loop only

    def capacity(self) -> int:
        with self._mutex:
            return self._size - len(self._running)

    def jobs(self) -> set[JobId]:
        with self._mutex:
            return set(self._running.values())

    def submit(self, claim: Claim) -> None:
        running = self._event_loop.submit(self._run(claim))
        with self._mutex:
            self._running[running] = claim.job_id
        running.add_done_callback(self._ended)

    def drain(self) -> list[Claim]:
        return []

    def stop(self, seconds: float) -> None:
        with self._mutex:
            running = set(self._running)
        if wait(running, seconds).not_done:
            self._executor.is_leaving = True
            self._event_loop.submit(self._cancel())
            wait(running, PATIENCE_SECONDS)

    async def _run(self, claim: Claim) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._executor.run_action(claim)
        finally:
            self._tasks.discard(task)

    async def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _ended(self, done: Future[None]) -> None:
        with self._mutex:
            self._running.pop(done, None)
        self._on_capacity(self.kind)
