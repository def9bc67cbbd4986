"""Which function conflicted with which: recorded when a mutation fails by it, explained and stored a moment later.

While a mutation runs, only the texts of its statements are kept, which are cached objects of SQLAlchemy. Which tables
they are about is asked after a conflict, on a thread of its own.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple, TypeAlias

from ..clock import Clock
from ..database.attempts import ExplainedAttempt, explain_attempts
from ..database.conflict_advice import ConflictStatements, statements_about
from ..database.conflicts import ConflictRecord, add_conflicts, finished_meanwhile, purge_conflicts
from ..database.database import Database
from ..database.errors import conflict_table, is_conflict
from ..database.footprint import Footprint, footprint_of_all
from ..database.tables import FRAMEWORK_TABLES
from ..fork import in_child
from ..settings import Settings
from .events import Job

logger = logging.getLogger("convexpy.run")

Pair: TypeAlias = tuple[str, str | None, str | None]
"""The function that failed, the most likely other one, and the table of their conflict."""

RECENT: Final = 1000
COALESCE_SECONDS: Final = 1.0
MEANWHILE: Final = timedelta(seconds=1)


class Attempt(NamedTuple):
    """One attempt of a mutation that is over: when, and its statements."""

    function: str
    statements: Collection[str]
    began: datetime
    ended: datetime

    def footprint(self) -> Footprint:
        return footprint_of_all(tuple(self.statements))

    def overlap(self, other: Attempt) -> timedelta:
        """For how long both were open. Negative: they were not."""
        return min(self.ended, other.ended) - max(self.began, other.began)


class CommittedTransaction(NamedTuple):
    """A transaction of this process: its statements, by the function that sent them, and when it was open."""

    statements: Mapping[str, Collection[str]]
    began: datetime
    ended: datetime

    def attempts(self) -> Iterator[Attempt]:
        return (Attempt(function, texts, self.began, self.ended) for function, texts in self.statements.items())


@dataclass(frozen=True)
class FailedAttempt:
    """An attempt that failed by a conflict, and the table that the error named."""

    attempt: Attempt
    table: str | None
    job: Job | None = None
    """The job whose attempt it was, if its function was alone in the transaction."""


class ConflictTracker:
    """What this process knows of the mutations that it ran lately."""

    def __init__(self, database: Database, settings: Settings, clock: Clock) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._listeners: list[Callable[[ConflictRecord], None]] = []
        self._begin()
        in_child.add(self._begin)

    def _begin(self) -> None:
        self.recent: deque[CommittedTransaction] = deque(maxlen=RECENT)
        """What was committed lately: appended to after every commit."""
        self._failed: deque[FailedAttempt] = deque(maxlen=RECENT)
        self._unwritten: Counter[Pair] = Counter()
        self._statements: dict[Pair, ConflictStatements] = {}
        self._unwritten_attempts: deque[ExplainedAttempt] = deque(maxlen=RECENT)
        self._mutex = threading.Lock()
        self._flushing = threading.Lock()
        self._awake = threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def listen(self, listener: Callable[[ConflictRecord], None]) -> None:
        """Call this for every pair of functions that conflicted, with how often since last time. It must not wait."""
        self._listeners.append(listener)

    def failed(
        self,
        error: BaseException,
        cause: BaseException | None,
        statements: Mapping[str, Collection[str]],
        began: datetime,
        job: Job | None = None,
    ) -> None:
        """A transaction failed, maybe by a conflict. ``job``: the one that was alone in it."""
        if cause is None or not is_conflict(cause):
            return
        try:
            table, ended = conflict_table(error, cause), self._clock.now()
            for function, texts in statements.items():
                self._add(FailedAttempt(Attempt(function, texts, began, ended), table, job))
        except Exception:  # to know less is better than to fail in another way
            logger.exception("a conflict of %s could not be recorded", ", ".join(statements))

    def flush(self) -> None:
        """Explain what is new, notify the listeners and store it. What cannot be stored now is kept."""
        with self._flushing:
            new = [self._failed.popleft() for _ in range(len(self._failed))]
            explained = [(failed.job, self._explain(failed)) for failed in new]
            found = Counter(pair for _, pair in explained)
            attempts = [ExplainedAttempt(*job, other, table) for job, (_, other, table) in explained if job is not None]
            now = self._clock.now()
            for record in as_records(found, now, self._statements):
                for listener in self._listeners:
                    listener(record)
            self._unwritten += found
            self._unwritten_attempts.extend(attempts)
            if self._unwritten:
                with self._database.write_internal() as connection:
                    add_conflicts(connection, as_records(self._unwritten, now, self._statements))
                    explain_attempts(connection, self._unwritten_attempts)
                    purge_conflicts(connection, now - self._settings.retention)
                self._unwritten.clear()
                self._statements.clear()
                self._unwritten_attempts.clear()

    def stop(self) -> None:
        """Store what is left."""
        self._stopped.set()
        self._awake.set()
        if self._thread is not None:
            self._thread.join()
            self._try_to_flush()

    def _add(self, failed: FailedAttempt) -> None:
        with self._mutex:
            self._failed.append(failed)
            if self._thread is None and not self._stopped.is_set():
                self._thread = threading.Thread(target=self._run, name="convexpy-conflicts", daemon=True)
                self._thread.start()
        self._awake.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._awake.wait()
            self._stopped.wait(COALESCE_SECONDS)  # a conflict rarely comes alone
            self._awake.clear()
            self._try_to_flush()

    def _try_to_flush(self) -> None:
        try:
            self.flush()
        except Exception as error:
            logger.debug("conflicts could not be stored yet: %s", error)

    def _explain(self, failed: FailedAttempt) -> Pair:
        """Who lost to whom, on which table. Their statements are kept beside."""
        recent = [attempt for transaction in tuple(self.recent) for attempt in transaction.attempts()]
        others = [each for each in recent if failed.attempt.overlap(each) >= timedelta(0)]
        other, table = likeliest(failed, others)
        if other is None:
            others = self._elsewhere(failed.attempt, {each.function: each for each in recent})
            other, table = likeliest(failed, others)
        pair = failed.attempt.function, other, table or failed.table
        winner = next((each for each in reversed(others) if each.function == other), None)
        self._statements[pair] = ConflictStatements(
            statements_about(tuple(failed.attempt.statements), pair[2], writes=False),
            statements_about(tuple(winner.statements), pair[2], writes=True) if winner is not None else (),
        )
        return pair

    def _elsewhere(self, failed: Attempt, known: Mapping[str, Attempt]) -> list[Attempt]:
        """Scheduled mutations that other processes committed meanwhile, as far as this one knows what they do."""
        try:
            with self._database.read_internal() as connection:
                names = finished_meanwhile(connection, failed.began, failed.ended + MEANWHILE, RECENT)
        except Exception as error:
            logger.debug("what conflicted with %s could not be looked up: %s", failed.function, error)
            return []
        return [
            Attempt(name, known[name].statements, failed.began, failed.ended)
            for name in reversed(names)
            if name in known
        ]


def likeliest(failed: FailedAttempt, others: Iterable[Attempt]) -> tuple[str | None, str | None]:
    """Of the transactions that were committed meanwhile, the most likely one of the conflict, and its table.

    That is the latest that wrote what the failed one read or wrote: the table that the error named, if it did, and
    rather one of the app's than one of the framework's. An attempt without a statement waited for the write lock, and
    the most likely other one is the one that was open for longest meanwhile.
    """
    if not failed.attempt.statements:
        longest = max(others, key=failed.attempt.overlap, default=None)
        return (longest.function if longest else None), None
    touched = frozenset({failed.table}) if failed.table else failed.attempt.footprint().touched
    best: tuple[int, datetime, str, str] | None = None
    for other in others:
        shared = touched & other.footprint().writes
        if not shared:
            continue
        own = shared - FRAMEWORK_TABLES
        found = (bool(own), other.ended, other.function, min(own or shared))
        best = found if best is None else max(best, found)
    return (best[2], best[3]) if best else (None, None)


def as_records(
    counted: Counter[Pair], now: datetime, statements: Mapping[Pair, ConflictStatements]
) -> list[ConflictRecord]:
    return [ConflictRecord(*pair, times, now, statements.get(pair)) for pair, times in counted.items()]
