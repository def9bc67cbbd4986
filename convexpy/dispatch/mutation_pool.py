"""The pool of mutations: threads that run batches of claims, with a short queue so that one claim serves several."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Final

from ..database.claim import Claim
from ..database.timer import Timer
from ..database.types import JobId
from ..functions.declare import Kind
from ..runtime.transaction import BATCH_SECONDS
from .batch import Batch
from .executor import JobExecutor

logger = logging.getLogger("convexpy.dispatch")

MOST_IN_A_BATCH: Final = 200
# The queue holds what the threads do in so long, by their latest runs: what waits here could run on another worker.
AHEAD_SECONDS: Final = 0.25
MOST_AHEAD: Final = 2000
# A handler that takes longer than this is slow: what waits behind it goes to other threads. One that was interrupted
# and does not come back for so long hangs: its thread is given up.
PATIENCE_SECONDS: Final = 1.0


class WorkerThread(threading.Thread):
    """One thread of the pool."""

    def __init__(self, work: Callable[[WorkerThread], None]) -> None:
        super().__init__(name="convexpy-mutations", daemon=True)
        self._work = work
        self.is_replaced = False

    def run(self) -> None:
        self._work(self)


class MutationPool:
    """Its threads start when there is work for them."""

    kind = Kind.MUTATION

    def __init__(self, executor: JobExecutor, timer: Timer, size: int, on_capacity: Callable[[Kind], None]) -> None:
        """``size``: how many threads. ``on_capacity`` is called when there is or soon will be nothing to do."""
        self._executor = executor
        self._timer = timer
        self._most_threads = size
        self._on_capacity = on_capacity
        self._usual_seconds = 0.005
        self._mutex = threading.Lock()
        self._waiting: queue.SimpleQueue[Claim | None] = queue.SimpleQueue()
        self._held: Counter[JobId] = Counter()
        self._threads: set[WorkerThread] = set()

    def capacity(self) -> int:
        with self._mutex:
            held = self._held.total()
            return self._size() - held if self._has_capacity(held) else 0

    def jobs(self) -> set[JobId]:
        with self._mutex:
            return {job_id for job_id, times in self._held.items() if times}

    def submit(self, claim: Claim) -> None:
        with self._mutex:
            self._held[claim.job_id] += 1
            needs_thread = len(self._threads) < self._most_threads and len(self._threads) < self._held.total()
        self._waiting.put(claim)
        if needs_thread:
            self._start_thread()

    def overdue(self) -> list[Claim]:
        return []

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
            threads = list(self._threads)
        for _ in threads:
            self._waiting.put(None)
        deadline = time.monotonic() + seconds
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _start_thread(self, hanging: Claim | None = None) -> None:
        thread = WorkerThread(lambda thread: self._run(thread, hanging))
        with self._mutex:
            self._threads.add(thread)
        thread.start()

    def _run(self, thread: WorkerThread, hanging: Claim | None) -> None:
        """What each thread does until the pool stops, or until it is replaced because a handler never came back."""
        if hanging is not None:
            self._executor.give_up(hanging)
        while not thread.is_replaced and (batch := self._next_batch(thread)) is not None:
            began, size = time.monotonic(), len(batch)
            try:
                with (
                    self._timer.limit(PATIENCE_SECONDS, partial(self._share_rest, batch)) if size > 1 else nullcontext()
                ):
                    self._executor.perform(batch, self._ended)
            except Exception:
                logger.exception("the end of a job could not be stored")
                self._ended(batch.abandon())
            self._usual_seconds += ((time.monotonic() - began) / size - self._usual_seconds) / 4
        with self._mutex:
            self._threads.discard(thread)

    def _next_batch(self, thread: WorkerThread) -> Batch | None:
        """Wait for a claim, and take along what may share its transaction and is there already."""
        first = self._waiting.get()
        if first is None:
            return None
        claims, policy = [first], self._executor.policy
        seconds = 0.0
        while policy.may_share(claims[-1].name) and len(claims) < MOST_IN_A_BATCH:
            seconds += policy.seconds(claims[-1].name)
            if seconds > BATCH_SECONDS:
                break
            try:
                claim = self._waiting.get_nowait()
            except queue.Empty:
                break
            if claim is None:
                self._waiting.put(None)  # for another thread, or for this one the next time
                break
            claims.append(claim)
        return Batch(claims, partial(self._watch, thread))

    def _share_rest(self, batch: Batch) -> None:
        """A handler takes long. What its thread was to run after it is run by others."""
        for claim in batch.take_rest():
            self._waiting.put(claim)

    def _watch(self, thread: WorkerThread, batch: Batch) -> None:
        """A handler was interrupted: look later whether it has come back."""
        self._timer.call_later(PATIENCE_SECONDS, partial(self._replace_if_hanging, thread, batch))

    def _replace_if_hanging(self, thread: WorkerThread, batch: Batch) -> None:
        """A handler hangs where it cannot be interrupted. Its transaction is rolled back; its thread is given up."""
        abandoned = batch.abandon_if_late(PATIENCE_SECONDS)
        if abandoned is None:
            return
        hanging, others = abandoned
        thread.is_replaced = True
        with self._mutex:
            self._threads.discard(thread)
        logger.error("%s ran past its time limit and cannot be interrupted; its thread is replaced", hanging.name)
        self._start_thread(hanging)
        for claim in others:
            self._waiting.put(claim)
        self._ended([hanging])

    def _ended(self, claims: Sequence[Claim]) -> None:
        if not claims:
            return
        with self._mutex:
            for claim in claims:
                self._held[claim.job_id] -= 1
                if self._held[claim.job_id] <= 0:
                    del self._held[claim.job_id]
            has_capacity = self._has_capacity(self._held.total())
        if has_capacity:
            self._on_capacity(self.kind)

    def _has_capacity(self, held: int) -> bool:
        """Whether a thread has nothing to do, or soon will have. As long as none has, a claim would fetch but a few."""
        return held <= max(self._size() // 2, self._most_threads - 1)

    def _size(self) -> int:
        ahead = round(self._most_threads * AHEAD_SECONDS / self._usual_seconds)
        return max(self._most_threads, min(MOST_AHEAD, ahead))
