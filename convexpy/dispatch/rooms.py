"""Bounded room for running jobs: one for mutations, one for actions, so that slow actions delay nothing else."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, Protocol

from ..database.jobs import Claim
from ..database.types import JobId
from ..functions.declare import Kind
from ..runtime.background import BackgroundLoop
from .execute import Executor

logger = logging.getLogger("convexpy.dispatch")


class Room(Protocol):
    """Where claimed jobs of one kind run."""

    kind: Kind

    def free(self) -> int:
        """How many more jobs may be claimed for this room."""
        ...

    def enter(self, claim: Claim) -> None:
        """Run a claim, now or as soon as there is a free hand."""
        ...

    def holds(self) -> set[JobId]:
        """The jobs that are inside."""
        ...

    def drain(self) -> list[Claim]:
        """Take out the claims that were never tried, before ``stop``."""
        ...

    def stop(self, seconds: float) -> None:
        """Let what runs finish for so long."""
        ...


class MutationRoom:
    """Threads that run mutations one after the other, with a short queue so that a claim serves several.

    The queue holds what they do in a fraction of a second, as far as the latest runs tell: what waits here could be
    running on another worker.
    """

    kind = Kind.MUTATION
    AHEAD_SECONDS = 0.25
    MOST_AHEAD = 32

    def __init__(self, executor: Executor, threads: int, room_again: Callable[[], None]) -> None:
        self._executor = executor
        self._room_again = room_again
        self._threads = threads
        self._usual_seconds = 0.005
        self._mutex = threading.Lock()
        self._waiting: queue.SimpleQueue[Claim | None] = queue.SimpleQueue()
        self._inside: Counter[JobId] = Counter()
        self._hands: set[Hand] = set()
        for _ in range(threads):
            self._hire()

    def free(self) -> int:
        for hand in [hand for hand in self._hands if hand.is_stuck()]:
            self._replace(hand)
        with self._mutex:
            return max(0, self._size() - self._inside.total())

    def enter(self, claim: Claim) -> None:
        with self._mutex:
            self._inside[claim.job_id] += 1
        self._waiting.put(claim)

    def holds(self) -> set[JobId]:
        with self._mutex:
            return {job_id for job_id, times in self._inside.items() if times}

    def run(self, hand: Hand) -> None:
        """What each thread does until it is told to go, or was replaced because a handler never came back."""
        while not hand.replaced and (claim := self._waiting.get()) is not None:
            hand.begin(claim)
            began = time.monotonic()
            try:
                self._executor.exactly_once(claim, hand.note_late)
            except Exception:
                logger.exception("job %s: what became of it could not be written down", claim.job_id)
            finally:
                hand.late_since = None
                self._usual_seconds += (time.monotonic() - began - self._usual_seconds) / 16
                if not hand.replaced:
                    self._left(claim)
        with self._mutex:
            self._hands.discard(hand)

    def drain(self) -> list[Claim]:
        untried: list[Claim] = []
        while True:
            try:
                claim = self._waiting.get_nowait()
            except queue.Empty:
                return untried
            if claim is not None:
                untried.append(claim)

    def stop(self, seconds: float) -> None:
        with self._mutex:
            hands = list(self._hands)
        for _ in hands:
            self._waiting.put(None)
        deadline = time.monotonic() + seconds
        for hand in hands:
            hand.thread.join(max(0.0, deadline - time.monotonic()))

    def room_again_later(self, seconds: float) -> None:
        """Let the dispatcher look again after a while, whether a handler came back or not."""
        timer = threading.Timer(seconds, self._room_again)
        timer.daemon = True
        timer.start()

    def _size(self) -> int:
        return self._threads * max(1, min(self.MOST_AHEAD, int(self.AHEAD_SECONDS / self._usual_seconds)))

    def _hire(self) -> None:
        hand = Hand(self)
        with self._mutex:
            self._hands.add(hand)
        hand.thread.start()

    def _replace(self, hand: Hand) -> None:
        """A handler hangs where nothing can interrupt it. Its transaction is rolled back; give up its thread too."""
        hand.replaced = True
        with self._mutex:
            self._hands.discard(hand)
        self._hire()
        if hand.claim is not None:
            self._left(hand.claim)
            logger.error("%s hangs past its time limit, and its thread with it", hand.claim.name)
            self._executor.give_up(hand.claim)

    def _left(self, claim: Claim) -> None:
        with self._mutex:
            self._inside[claim.job_id] -= 1
            if not self._inside[claim.job_id]:
                del self._inside[claim.job_id]
            half_empty = self._inside.total() * 2 <= self._size()
        if half_empty:
            self._room_again()


class Hand:
    """One thread of the mutation room."""

    PATIENCE_SECONDS = 1.0

    def __init__(self, room: MutationRoom) -> None:
        self.claim: Claim | None = None
        self.late_since: float | None = None
        self.replaced = False
        self._wake = room.room_again_later
        self.thread = threading.Thread(target=room.run, args=(self,), name="convexpy-mutations", daemon=True)

    def begin(self, claim: Claim) -> None:
        self.claim = claim
        self.late_since = None

    def note_late(self) -> None:
        """The handler's time is up: its transaction is rolled back, and it was told to stop."""
        self.late_since = time.monotonic()
        self._wake(self.PATIENCE_SECONDS)

    def is_stuck(self) -> bool:
        late = self.late_since
        return late is not None and time.monotonic() - late >= self.PATIENCE_SECONDS


class ActionRoom:
    """Actions on the background event loop, up to a number at the same time."""

    kind = Kind.ACTION
    PATIENCE_SECONDS = 5.0

    def __init__(
        self, executor: Executor, background: BackgroundLoop, size: int, room_again: Callable[[], None]
    ) -> None:
        self._executor = executor
        self._background = background
        self._size = size
        self._room_again = room_again
        self._mutex = threading.Lock()
        self._running: dict[Future[None], JobId] = {}
        self._tasks: set[asyncio.Task[Any]] = set()  # used on the event loop only

    def free(self) -> int:
        with self._mutex:
            return self._size - len(self._running)

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
