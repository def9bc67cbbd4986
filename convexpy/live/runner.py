"""``QueryRunner``: runs the queries of one round, each distinct one once, and checks the others if it is asked to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from ..clock import Clock
from ..database.commit_log import CommitRecord
from ..database.read_set import ReadSet
from ..database.transaction import OpenTransaction
from ..errors import ConvexError, InternalError, LiveCheckError, text_of
from ..runtime.call import Call
from ..runtime.call_executor import CallExecutor
from ..runtime.live_run import Dependencies, LiveRun
from ..runtime.transaction import TransactionFailed
from .live_call import QueryKey
from .outcome import Outcome
from .query import LiveQuery
from .speeds import FunctionSpeeds

MOST_FAILURES: Final = 10
"""After so many failures of the database in a row with the same query, its subscribers are told."""
PAUSE_FACTOR: Final = 10
SHORTEST_PAUSE: Final = 1.0
"""A query that ran out of time, or with which the database failed, pauses for so many times as long as it took."""


class QueryRunner:
    """Runs queries within the rounds of one group."""

    def __init__(self, calls: CallExecutor, clock: Clock, speeds: FunctionSpeeds, *, checks: bool) -> None:
        """``checks``: whether to run the queries as well that no commit touched, and compare."""
        self._calls = calls
        self._clock = clock
        self._speeds = speeds
        self.checks = checks
        self._commits: Sequence[CommitRecord] | None = None
        self._shared: dict[QueryKey, tuple[LiveRun, Outcome]] = {}
        self._ran: set[LiveQuery] = set()
        self._unstable: set[str] = set()
        """The functions whose results differ in one and the same snapshot."""
        self._differences: list[LiveCheckError] = []

    def begin_round(self, commits: Sequence[CommitRecord] | None) -> None:
        """The next runs are in a new snapshot."""
        self._commits = commits
        self._shared.clear()
        self._ran.clear()

    def run(self, query: LiveQuery, transaction: OpenTransaction) -> bool:
        """Run a query, unless another one with the same function and arguments gave what counts for it too.

        Returns:
            Whether its outcome has changed.

        Raises:
            TransactionFailed: The database failed.
        """
        self._ran.add(query)
        try:
            call = query.call.bound(self._calls.app)
        except ConvexError as error:  # of a version of the app that no longer has it
            return query.note(LiveRun(ReadSet(), Dependencies()), Outcome.failed(error), self._clock.now())
        result = query.call.key.result
        known = self._shared.get(result)
        if known is None:
            run = self._execute(query, call, transaction)
            known = run, Outcome.of(call, run)
            if not run.depends.identity:
                self._shared[result] = known
        changed = query.note(*known, self._clock.now())
        if transaction.expired:
            defer(query)
        return changed

    def _execute(self, query: LiveQuery, call: Call, transaction: OpenTransaction) -> LiveRun:
        name = call.function.name
        began = time.perf_counter()
        try:
            run = self._calls.run_live(call, transaction)
        except TransactionFailed as failed:
            query.failures += 1
            if query.failures >= MOST_FAILURES:
                text = f"{name}: the database failed {query.failures} times in a row: {text_of(failed.error)}"
                error = InternalError(text)
                error.__cause__ = failed.error
                reads = ReadSet()
                reads.add_everything()
                query.note(LiveRun(reads, Dependencies(), None, error), Outcome.failed(error), self._clock.now())
                query.seconds = time.perf_counter() - began
                defer(query)
            raise
        self._speeds.note(name, run.seconds)
        return run

    def check(
        self, queries: Iterable[LiveQuery], transaction: OpenTransaction, changed: Callable[[LiveQuery], None]
    ) -> None:
        """Run queries that nothing touched, and note which of them have another outcome all the same."""
        if self._commits is None:
            return
        for query in queries:
            if query in self._ran or query.outcome is None or not self._is_checkable(query):
                continue
            before, reads = query.outcome, query.reads
            runs: list[tuple[LiveRun, Outcome]] = []
            for _ in range(2):  # a query that differs from itself in one snapshot cannot be checked
                if transaction.is_spoiled:
                    return
                call = query.call.bound(self._calls.app)
                run = self._execute(query, call, transaction)
                runs.append((run, Outcome.of(call, run)))
                if runs[0][1].digest == before.digest:
                    break
            else:
                if runs[0][1].digest != runs[1][1].digest:
                    self._unstable.add(query.call.name)
                else:
                    self._differences.append(difference(query, reads, before, runs[1][1], self._commits))
                query.note(*runs[1], self._clock.now())
                changed(query)

    def _is_checkable(self, query: LiveQuery) -> bool:
        depends = query.depends
        return not depends.now and depends.refresh is None and query.call.name not in self._unstable

    def raise_difference(self) -> None:
        """Raise what the check of this round has found.

        Raises:
            LiveCheckError: The outcome of a query has changed and no commit touched what it read.
        """
        if self._differences:
            first, *others = self._differences
            self._differences = []
            for other in others:
                first.add_note(str(other))
            raise first


def defer(query: LiveQuery) -> None:
    query.retry_at = time.monotonic() + max(SHORTEST_PAUSE, PAUSE_FACTOR * (query.seconds or 0.0))


def difference(
    query: LiveQuery, reads: ReadSet, before: Outcome, after: Outcome, commits: Sequence[CommitRecord]
) -> LiveCheckError:
    wrote = "; ".join(f"{commit.function or 'no function'} wrote {commit.writes}" for commit in commits) or "none"
    return LiveCheckError(
        f"{query.call.name}({query.call.arguments or '…'}) has changed, although no commit is known to have touched "
        f"what it reads. It reads {reads}. Commits since its last run: {wrote}. Before: {shown(before)}. "
        f"Now: {shown(after)}. Was something written past convexpy, or does it depend on more than the database? "
        "See docs/live-queries.md"
    )


def shown(outcome: Outcome) -> str:
    text = repr(outcome.value if outcome.error is None else outcome.error)
    return text if len(text) <= 200 else f"{text[:200]}…"
