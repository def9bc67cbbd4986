"""Bounded room for running mutations: threads that run them together or one by one."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from ..database.claim import Claim
from ..database.types import JobId
from ..functions.declare import Kind
from ..runtime.together import MOST_SECONDS, Together
from .batch import Batch, BatchItem
from .batch_policy import BatchPolicy
from .batch_runner import BatchRunner
from .executor import Executor
from .turns import Turns

logger = logging.getLogger("convexpy.dispatch")

MOST_TOGETHER: Final = 200


class MutationPool:
    """Threads that run mutations, with a short queue so that a claim serves several.

    The queue holds what they do in a fraction of a second, as far as the latest runs tell: what waits here could be
    running on another worker.
    """

    kind = Kind.MUTATION
    AHEAD_SECONDS = 0.25
    MOST_AHEAD = 2000
    # With so many a thread inside, others may have waited for longer, or other workers may have nothing to do.
    AT_HAND = 2

    def __init__(self, executor: Executor, together: Together, threads: int, room_again: Callable[[], None]) -> None:
        self._executor = executor
        self._habits = BatchPolicy()
        self._group = BatchRunner(executor, together, self._habits, Turns(threads), self._left)
        self._room_again = room_again
        self._threads = threads
        self._usual_seconds = 0.005
        self._mutex = threading.Lock()
        self._waiting: queue.SimpleQueue[Claim | None] = queue.SimpleQueue()
        self._inside: Counter[JobId] = Counter()
        self._kept = 0
        self._hands: set[Hand] = set()
        for _ in range(threads):
            self._hire()

    def free(self) -> int:
        for hand in tuple(self._hands):
            company = hand.company
            if company is None:
                continue
            if abandoned := company.abandon_if_late(Hand.PATIENCE_SECONDS):
                self._replace(hand, *abandoned)
            elif hand.is_slow():
                self._relieve(hand)
        with self._mutex:
            inside = self._inside.total() + self._kept
            return self._size() - inside if self._is_hungry(inside) else 0

    def keep_place(self) -> bool:
        with self._mutex:
            if self._inside.total() + self._kept >= self.AT_HAND * self._threads:
                return False
            self._kept += 1
            return True

    def give_back_place(self) -> None:
        with self._mutex:
            self._kept -= 1

    def enter(self, claim: Claim) -> None:
        with self._mutex:
            self._inside[claim.job_id] += 1
        self._waiting.put(claim)

    def holds(self) -> set[JobId]:
        with self._mutex:
            return {job_id for job_id, times in self._inside.items() if times}

    def run(self, hand: Hand) -> None:
        """What each thread does until it is told to go, or was replaced because a handler never came back."""
        while not hand.replaced and (company := self._gather()) is not None:
            hand.company = company
            began, size = time.monotonic(), len(company.rest)
            try:
                self._group.run(company)
            except Exception:
                logger.exception("what became of a job could not be written down")
                self._left([member.claim for member in company.abandon()])
            hand.company = None
            self._usual_seconds += ((time.monotonic() - began) / size - self._usual_seconds) / 4
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

    def _gather(self) -> Batch | None:
        """Wait for a claim, and take along what may share its transaction and is there already."""
        first = self._waiting.get()
        if first is None:
            return None
        claims, habits = [first], self._habits
        seconds = 0.0
        while habits.may_share(claims[-1].name) and len(claims) < MOST_TOGETHER:
            seconds += habits.seconds(claims[-1].name)
            if seconds > MOST_SECONDS:
                break
            try:
                claim = self._waiting.get_nowait()
            except queue.Empty:
                break
            if claim is None:
                self._waiting.put(None)  # for another hand, or for this one the next time
                break
            claims.append(claim)
        return Batch(claims, self._look_again_later)

    def _look_again_later(self) -> None:
        """Let the dispatcher look whether a handler that was told to stop has come back."""
        timer = threading.Timer(Hand.PATIENCE_SECONDS, self._room_again)
        timer.daemon = True
        timer.start()

    def _is_hungry(self, inside: int) -> bool:
        """Whether a thread has nothing to do, or soon will have. As long as it has, a claim would fetch but a few."""
        return inside <= max(self._size() // 2, self._threads - 1)

    def _size(self) -> int:
        ahead = round(self._threads * self.AHEAD_SECONDS / self._usual_seconds)
        return max(self._threads, min(self.MOST_AHEAD, ahead))

    def _hire(self) -> None:
        hand = Hand(self)
        with self._mutex:
            self._hands.add(hand)
        hand.thread.start()

    def _replace(self, hand: Hand, culprit: BatchItem, others: list[BatchItem]) -> None:
        """A handler hangs where nothing can interrupt it. Its transaction is rolled back; give up its thread too."""
        hand.replaced = True
        with self._mutex:
            self._hands.discard(hand)
        self._hire()
        for member in others:
            self._waiting.put(member.claim)
        self._left([culprit.claim])
        logger.error("%s hangs past its time limit, and its thread with it", culprit.claim.name)
        self._executor.give_up(culprit.claim)

    def _relieve(self, hand: Hand) -> None:
        """A handler takes long. What its thread was to run after it can be run by others."""
        for member in hand.company.take_rest() if hand.company else ():
            self._waiting.put(member.claim)

    def _left(self, claims: Sequence[Claim]) -> None:
        with self._mutex:
            for claim in claims:
                self._inside[claim.job_id] -= 1
                if self._inside[claim.job_id] <= 0:
                    del self._inside[claim.job_id]
            is_hungry = self._is_hungry(self._inside.total() + self._kept)
        if is_hungry:
            self._room_again()


class Hand:
    """One thread of the mutation room, and what it works on."""

    PATIENCE_SECONDS = 1.0

    def __init__(self, room: MutationPool) -> None:
        self.company: Batch | None = None
        self.replaced = False
        self.thread = threading.Thread(target=room.run, args=(self,), name="convexpy-mutations", daemon=True)

    def is_slow(self) -> bool:
        """Whether others wait behind a handler that takes long."""
        company = self.company
        return company is not None and bool(company.rest) and company.running_seconds() >= self.PATIENCE_SECONDS
