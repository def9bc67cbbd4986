"""Which function was in whose way: noticed when a mutation fails by it, looked into and remembered a moment later.

While a mutation runs, nothing is done but to keep the texts of its statements, which are cached objects of
SQLAlchemy's. What tables they are about is only asked once there was a conflict, and on a thread of its own.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from ..clock import Clock
from ..database.conflicts import ConflictRecord, add_conflicts, finished_meanwhile, purge_conflicts
from ..database.database import Database
from ..database.errors import conflict_table, is_conflict
from ..database.footprint import Footprint, footprint_of_all
from ..database.tables import FRAMEWORK_TABLES
from ..database.transaction import OpenTransaction
from ..errors import FunctionTimeout
from ..settings import Settings

logger = logging.getLogger("convexpy.run")

RECENT: Final = 1000
COALESCE_SECONDS: Final = 1.0
MEANWHILE: Final = timedelta(seconds=1)


class Attempt(NamedTuple):
    """One try of a mutation that is over: when, and what it said to the database."""

    function: str
    statements: Collection[str]
    began: datetime
    ended: datetime

    def footprint(self) -> Footprint:
        return footprint_of_all(tuple(self.statements))

    def overlap(self, other: Attempt) -> timedelta:
        """For how long both were open. Negative: they were not."""
        return min(self.ended, other.ended) - max(self.began, other.began)


@dataclass(frozen=True)
class Lost:
    """A try that failed because others were in the way, and the table that the error spoke of."""

    attempt: Attempt
    table: str | None


class Conflicts:
    """What this process knows of the mutations that it ran lately."""

    def __init__(self, database: Database, settings: Settings, clock: Clock) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._recent: deque[Attempt] = deque(maxlen=RECENT)
        self._known: dict[str, Collection[str]] = {}
        self._lost: deque[Lost] = deque(maxlen=RECENT)
        self._unwritten: Counter[tuple[str, str | None, str | None]] = Counter()
        self._listeners: list[Callable[[ConflictRecord], None]] = []
        self._mutex = threading.Lock()
        self._flushing = threading.Lock()
        self._awake = threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def listen(self, listener: Callable[[ConflictRecord], None]) -> None:
        """Call this for every pair of functions that met, with how often since the last time. It must not wait."""
        self._listeners.append(listener)

    def trying(self, function: str) -> AttemptRecorder:
        """A mutation asks for its transaction."""
        return AttemptRecorder(self, function, self._clock)

    def committed(self, attempt: Attempt) -> None:
        self._recent.append(attempt)
        self._known[attempt.function] = attempt.statements

    def lost(self, lost: Lost) -> None:
        with self._mutex:
            self._lost.append(lost)
            if self._thread is None and not self._stopped.is_set():
                self._thread = threading.Thread(target=self._run, name="convexpy-conflicts", daemon=True)
                self._thread.start()
        self._awake.set()

    def flush(self) -> None:
        """Look into what is new, tell the listeners and write it down. What cannot be written now is kept."""
        with self._flushing:
            new = [self._lost.popleft() for _ in range(len(self._lost))]
            found = Counter(self._explain(lost) for lost in new)
            now = self._clock.now()
            for records in as_records(found, now):
                for listener in self._listeners:
                    listener(records)
            self._unwritten += found
            if self._unwritten:
                with self._database.write_internal() as connection:
                    add_conflicts(connection, as_records(self._unwritten, now))
                    purge_conflicts(connection, now - self._settings.retention)
                self._unwritten.clear()

    def stop(self) -> None:
        """Write down what is left."""
        self._stopped.set()
        self._awake.set()
        if self._thread is not None:
            self._thread.join()
            self._try_to_flush()

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
            logger.debug("conflicts could not be written down yet: %s", error)

    def _explain(self, lost: Lost) -> tuple[str, str | None, str | None]:
        """The loser, the most likely winner, and the table they met on."""
        recent = tuple(self._recent)
        other, table = likeliest(lost, [each for each in recent if lost.attempt.overlap(each) >= timedelta(0)])
        if other is None:
            other, table = likeliest(lost, self._elsewhere(lost.attempt))
        return lost.attempt.function, other, table or lost.table

    def _elsewhere(self, lost: Attempt) -> list[Attempt]:
        """Scheduled mutations that other processes committed meanwhile, as far as this one knows what they do."""
        try:
            with self._database.read_internal() as connection:
                names = finished_meanwhile(connection, lost.began, lost.ended + MEANWHILE, RECENT)
        except Exception as error:
            logger.debug("who was in the way of %s could not be looked up: %s", lost.function, error)
            return []
        return [
            Attempt(name, self._known[name], lost.began, lost.ended) for name in reversed(names) if name in self._known
        ]


class AttemptRecorder:
    """A try that is under way."""

    def __init__(self, conflicts: Conflicts, function: str, clock: Clock) -> None:
        self._conflicts = conflicts
        self._function = function
        self._clock = clock
        self._began = clock.now()  # from now on it may wait for its turn
        self.statements: set[str] = set()

    def holds(self, transaction: OpenTransaction) -> None:
        """Its transaction has begun."""
        self.statements = transaction.statements
        self._began = self._clock.now()

    def committed(self) -> None:
        self._conflicts.committed(Attempt(self._function, self.statements, self._began, self._clock.now()))

    def failed(self, error: BaseException, transaction: OpenTransaction | None) -> None:
        """It failed, maybe because others were in the way."""
        cause = (transaction.internal_error if transaction is not None else None) or error
        if not is_conflict(cause) or isinstance(error, FunctionTimeout):
            return
        attempt = Attempt(self._function, self.statements, self._began, self._clock.now())
        try:
            self._conflicts.lost(Lost(attempt, conflict_table(error, cause)))
        except Exception:  # to know less is better than to fail in another way
            logger.exception("a conflict of %s could not be noted", self._function)


def likeliest(lost: Lost, others: Iterable[Attempt]) -> tuple[str | None, str | None]:
    """Of the transactions that were committed meanwhile, the one that was most likely in the way, and on which table.

    That is the latest that wrote what the loser read or wrote: the table that the error spoke of, if it did, and
    rather one of the app's than one of the framework's. Who lost without a statement waited for its turn, and lost it
    to whoever was open for longest meanwhile.
    """
    if not lost.attempt.statements:
        longest = max(others, key=lost.attempt.overlap, default=None)
        return (longest.function if longest else None), None
    touched = frozenset({lost.table}) if lost.table else lost.attempt.footprint().touched
    best: tuple[int, datetime, str, str] | None = None
    for other in others:
        shared = touched & other.footprint().writes
        if not shared:
            continue
        own = shared - FRAMEWORK_TABLES
        found = (bool(own), other.ended, other.function, min(own or shared))
        best = found if best is None else max(best, found)
    return (best[2], best[3]) if best else (None, None)


def as_records(counted: Counter[tuple[str, str | None, str | None]], now: datetime) -> list[ConflictRecord]:
    return [ConflictRecord(*pair, times, now) for pair, times in counted.items()]
