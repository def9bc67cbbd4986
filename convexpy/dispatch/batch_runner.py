"""Run what a thread has claimed: together in one transaction where that may be, one by one where it may not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import Final

from ..database.claim import Claim
from ..functions.declare import Kind
from ..runtime.call import Call, Done
from ..runtime.together import BatchFailed, NotBatchable, Together
from .batch import Batch, BatchItem
from .batch_policy import BatchPolicy
from .executor import Executor
from .turns import Turns

# After so many conflicts in a row each goes its own way.
MOST_TRIES: Final = 3


class BatchRunner:
    """Runs companies of claimed mutations."""

    def __init__(
        self,
        executor: Executor,
        together: Together,
        habits: BatchPolicy,
        turns: Turns,
        on_end: Callable[[Sequence[Claim]], None],
    ) -> None:
        """``on_end`` is told of the claims that are done with."""
        self._executor = executor
        self._together = together
        self._habits = habits
        self._on_end = on_end
        self._turns = turns

    def run(self, company: Batch) -> None:
        """Run every claim of a company, whatever it takes."""
        tries = 0
        while not company.is_abandoned:
            self._prepare(company)
            first = company.next()
            if first is None:
                return
            if first.alone or not self._habits.may_share(first.claim.name):
                self._run_alone(company)
            else:
                tries = self._run_together(company, tries)

    def _prepare(self, company: Batch) -> None:
        """Make calls of the claims. What cannot be called is found out, and said, where each runs alone."""
        for member in tuple(company.rest):
            if member.call is None and not member.alone:
                try:
                    member.call = self._executor.call_of(member.claim, Kind.MUTATION)
                except Exception:
                    member.alone = True
                else:
                    member.alone = member.call is None

    def _run_alone(self, company: Batch) -> None:
        member = company.begin()
        if member is None:
            return
        # Who met one conflict after the other waits until nobody of ours is in the way.
        with self._turns.all() if member.met_conflicts else nullcontext():
            outcome = self._executor.exactly_once(member.claim, company.note_late, maybe_done=member.maybe_done)
        if company.is_abandoned:
            return
        company.end()
        self._habits.ran_alone(member.claim.name, time.monotonic() - member.began, well=outcome == "success")
        self._on_end([member.claim])

    def _run_together(self, company: Batch, tries: int) -> int:
        """Run as many as may be in one transaction. How many times in a row others were in the way."""
        try:
            with self._turns.all() if tries else self._turns.one():
                done = self._together.attempt(self._one_by_one(company), company.note_late)
        except BatchFailed as apart:
            return 0 if company.is_abandoned else self._part(company, company.end(), apart, tries)
        self._tell(company.end(), done)
        return 0

    def _one_by_one(self, company: Batch) -> Iterator[tuple[Call, Claim]]:
        """Whoever's turn it is, until one comes that has to be alone."""
        while first := company.next():
            if first.alone or first.call is None or not self._habits.may_share(first.claim.name):
                return
            member = company.begin()
            if member is None or member.call is None:
                return
            yield member.call, member.claim
            member.seconds = time.monotonic() - member.began

    def _tell(self, members: list[BatchItem], done: list[Done]) -> None:
        for member in members:
            member.seconds = member.seconds or time.monotonic() - member.began
            self._habits.shared(member.claim.name, member.seconds)
        self._executor.committed_together([(member.claim, member.seconds) for member in members], done)
        self._on_end([member.claim for member in members])

    def _part(self, company: Batch, begun: list[BatchItem], apart: BatchFailed, tries: int) -> int:
        """Nothing was committed: find out who has to be alone, and let the others go on together."""
        if apart.is_conflict and tries < MOST_TRIES:
            company.again(begun)
            return tries + 1
        if not begun:  # the database did not even begin
            for member in tuple(company.rest)[:1]:
                member.alone = True
            return 0
        if apart.place is not None and not apart.is_internal:
            guilty = begun.pop(apart.place)
            guilty.alone = True
            if isinstance(apart.cause, NotBatchable):
                self._habits.not_batchable(guilty.claim.name)
            company.again(begun)
            company.later(guilty)
            return tries
        for member in begun:
            member.alone = True
            member.met_conflicts = apart.is_conflict
            member.maybe_done = apart.is_internal and not apart.is_conflict
        company.again(begun)
        return 0
