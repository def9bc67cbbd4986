"""Bounded room for running actions, apart from the mutations' so that slow ones delay nothing else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any

from ..database.claim import Claim
from ..database.types import JobId
from ..functions.declare import Kind
from ..runtime.event_loop import EventLoopThread
from .executor import Executor


class ActionPool:
    """Actions on the background event loop, up to a number at the same time."""

    kind = Kind.ACTION
    PATIENCE_SECONDS = 5.0

    def __init__(
        self, executor: Executor, background: EventLoopThread, size: int, room_again: Callable[[], None]
    ) -> None:
        self._executor = executor
        self._background = background
        self._size = size
        self._room_again = room_again
        self._mutex = threading.Lock()
        self._kept = 0
        self._running: dict[Future[None], JobId] = {}
        self._tasks: set[asyncio.Task[Any]] = set()  # used on the event loop only

    def free(self) -> int:
        with self._mutex:
            return self._size - len(self._running) - self._kept

    def keep_place(self) -> bool:
        with self._mutex:
            if (len(self._running) + self._kept) * 2 >= self._size:
                return False
            self._kept += 1
            return True

    def give_back_place(self) -> None:
        with self._mutex:
            self._kept -= 1

    def holds(self) -> set[JobId]:
        with self._mutex:
            return set(self._running.values())

    def enter(self, claim: Claim) -> None:
        running = self._background.submit(self._run(claim))
        with self._mutex:
            self._running[running] = claim.job_id
        running.add_done_callback(self._left)

    def drain(self) -> list[Claim]:
        return []

    def stop(self, seconds: float) -> None:
        with self._mutex:
            running = set(self._running)
        if wait(running, seconds).not_done:
            self._executor.is_leaving = True
            self._background.submit(self._cancel())
            wait(running, self.PATIENCE_SECONDS)  # until it is written down that they were stopped

    async def _run(self, claim: Claim) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._executor.at_most_once(claim)
        finally:
            self._tasks.discard(task)

    async def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _left(self, done: Future[None]) -> None:
        with self._mutex:
            self._running.pop(done, None)
        self._room_again()
