"""The pool of actions: on the event loop, up to a number at the same time."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, Final

from ..database.claim import Claim, ClaimKey
from ..database.timer import Timer
from ..database.types import JobId
from ..functions.declare import Kind
from ..runtime.event_loop import EventLoopThread
from .executor import JobExecutor

logger = logging.getLogger("convexpy.dispatch")

# How long to wait until it is stored that actions were stopped.
PATIENCE_SECONDS: Final = 5.0
# An event loop that does not answer for so long is blocked.
ANSWER_SECONDS: Final = 1.0


class ActionPool:
    """Apart from mutations, so that slow actions delay none of them."""

    kind = Kind.ACTION

    def __init__(
        self,
        executor: JobExecutor,
        event_loop: EventLoopThread,
        size: int,
        timer: Timer,
        on_capacity: Callable[[Kind], None],
        on_overdue: Callable[[], None],
    ) -> None:
        """``on_capacity`` is called when an action has ended, ``on_overdue`` when the event loop does not answer."""
        self._executor = executor
        self._event_loop = event_loop
        self._size = size
        self._timer = timer
        self._on_capacity = on_capacity
        self._on_overdue = on_overdue
        self._mutex = threading.Lock()
        self._waiting: dict[ClaimKey, Claim] = {}
        self._running: dict[Future[None], JobId] = {}
        self._tasks: set[asyncio.Task[Any]] = set()  # used on the event loop only
        self._is_watched = self._has_answered = self._is_blocked = self._is_stopped = False

    def capacity(self) -> int:
        with self._mutex:
            return 0 if self._is_blocked else self._size - len(self._running)

    def jobs(self) -> set[JobId]:
        with self._mutex:
            return set(self._running.values())

    def submit(self, claim: Claim) -> None:
        with self._mutex:
            self._waiting[ClaimKey(claim.job_id, claim.token)] = claim
        running = self._event_loop.submit(self._run(claim))
        with self._mutex:
            self._running[running] = claim.job_id
            begins_watch, self._is_watched = not self._is_watched, True
        running.add_done_callback(self._ended)
        if begins_watch:
            self._ask()

    def overdue(self) -> list[Claim]:
        return self.drain() if self._is_blocked else []

    def drain(self) -> list[Claim]:
        with self._mutex:
            untried = list(self._waiting.values())
            self._waiting.clear()
        return untried

    def stop(self, seconds: float) -> None:
        with self._mutex:
            running = set(self._running)
        if wait(running, seconds).not_done:
            self._executor.is_leaving = True
            self._event_loop.submit(self._cancel())
            wait(running, PATIENCE_SECONDS)
        self._is_stopped = True

    # While actions run, the event loop is asked once a second whether it still answers.

    def _ask(self) -> None:
        self._has_answered = False
        self._event_loop.call_soon(self._answer)
        self._timer.call_later(ANSWER_SECONDS, self._look)

    def _answer(self) -> None:
        with self._mutex:
            was_blocked, self._is_blocked, self._has_answered = self._is_blocked, False, True
        if was_blocked:
            logger.info("the event loop answers again")
            self._on_capacity(self.kind)

    def _look(self) -> None:
        """Ask again; or, without an answer, claim nothing more, and let other workers have what has not begun."""
        if self._is_stopped:
            return
        with self._mutex:
            has_answered = self._has_answered
            is_new = not has_answered and not self._is_blocked
            self._is_blocked = not has_answered
            self._is_watched = goes_on = bool(self._running)
        if has_answered and goes_on:
            self._ask()
        elif not has_answered:
            self._timer.call_later(ANSWER_SECONDS, self._look)
        if is_new:
            logger.warning(
                "the event loop has not answered for %g s: %s holds it. This worker claims no action until then. "
                "Await what takes long, or make it a `def` action, which has a thread",
                ANSWER_SECONDS,
                self._event_loop.current_function(),
            )
            self._on_overdue()

    async def _run(self, claim: Claim) -> None:
        with self._mutex:
            if self._waiting.pop(ClaimKey(claim.job_id, claim.token), None) is None:
                return  # it was given back while the event loop did not answer
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
