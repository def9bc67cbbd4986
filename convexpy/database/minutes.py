"""What was run in each minute: sums of runs that each process stores by function, and over all functions.

A process stores a minute again and again while it goes on, each time with the sums so far. So a flush that is repeated
counts nothing twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from .durations import add_to, from_text, quantile, to_text
from .old_rows import OldRows
from .tables import minutes as table

KEPT: Final = timedelta(days=7)
MINUTE: Final = timedelta(minutes=1)
ALL_FUNCTIONS: Final = ""
"""In the column of the function: the row sums up every function of its process and minute."""
MOST_MINUTES: Final = 24 * 60
"""How many minutes a reader looks back at most."""
MOST_ROWS: Final = 10_000
"""How many rows are read at most to sum up each function."""


@dataclass(slots=True)
class RunSums:
    """How many runs ended, and how long they took."""

    calls: int = 0
    """Runs that ended with a success, a failure or a cancel, direct calls and jobs."""
    failures: int = 0
    retries: int = 0
    """Attempts of jobs that were rolled back and are made again. They are no calls."""
    jobs: int = 0
    """Those of the calls that were jobs."""
    job_failures: int = 0
    durations: dict[int, int] = field(default_factory=dict)
    """A histogram of the calls."""

    def add(self, other: RunSums) -> None:
        self.calls += other.calls
        self.failures += other.failures
        self.retries += other.retries
        self.jobs += other.jobs
        self.job_failures += other.job_failures
        add_to(self.durations, other.durations)

    @property
    def p50(self) -> float | None:
        """The median duration in seconds. None: nothing was called."""
        return quantile(self.durations, 0.5)

    @property
    def p95(self) -> float | None:
        """The duration in seconds that 95 percent do not exceed. None: nothing was called."""
        return quantile(self.durations, 0.95)


class MinuteSums(NamedTuple):
    """The sums of one minute, over all processes."""

    minute: datetime
    sums: RunSums


class FunctionSums(NamedTuple):
    """The sums of one function over some minutes, and its calls and failures in each of them, the oldest first."""

    function: str
    sums: RunSums
    calls: list[int]
    failures: list[int]


class StoredMinute(NamedTuple):
    """The sums of one function, or of all, in one minute of one process."""

    minute: datetime
    function: str
    process: str
    sums: RunSums


OLD_MINUTES: Final = OldRows(table, table.c.minute)
_KEY: Final = ("minute", "function", "process")


def store_minutes(connection: Connection, rows: Iterable[StoredMinute]) -> None:
    """Store what a process has run in a minute so far, in place of what it stored before."""
    new = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)
    sums = {column.name: new.excluded[column.name] for column in table.c if column.name not in _KEY}
    connection.execute(new.on_conflict_do_update(index_elements=_KEY, set_=sums), [as_row(each) for each in rows])


def as_row(stored: StoredMinute) -> dict[str, Any]:
    sums = stored.sums
    return {
        "minute": stored.minute,
        "function": stored.function,
        "process": stored.process,
        "calls": sums.calls,
        "failures": sums.failures,
        "retries": sums.retries,
        "jobs": sums.jobs,
        "job_failures": sums.job_failures,
        "durations": to_text(sums.durations),
    }


def sums_of(row: Any) -> RunSums:
    counts = row.calls, row.failures, row.retries, row.jobs, row.job_failures
    return RunSums(*counts, from_text(row.durations))


def sums_by_minute(
    connection: Connection, now: datetime, minutes: int = 60, function: str | None = None
) -> list[MinuteSums]:
    """The sums of each of the last minutes, that of ``now`` the last, also where nothing was run.

    Args:
        connection: The connection.
        now: The current time.
        minutes: How many, up to 24 hours.
        function: Of this function. None: over all.
    """
    sums = {minute: RunSums() for minute in last_minutes(now, minutes)}
    # A minute each: of a range, the rows of all functions would be read.
    found = select(table).where(table.c.minute.in_(sums), table.c.function == (function or ALL_FUNCTIONS))
    for row in connection.execute(found.order_by(table.c.minute.desc()).limit(MOST_ROWS)):
        sums[row.minute].add(sums_of(row))
    return [MinuteSums(*each) for each in sums.items()]


def sums_by_function(connection: Connection, now: datetime, minutes: int = 60) -> list[FunctionSums]:
    """The sums of each function that was run in the last minutes, by name.

    They are of the newest 10,000 rows: a row is of one function in one minute of one process.
    """
    numbers = {minute: number for number, minute in enumerate(last_minutes(now, minutes))}
    found = select(table).where(table.c.minute >= min(numbers), table.c.function != ALL_FUNCTIONS)
    functions: dict[str, FunctionSums] = {}
    for row in connection.execute(found.order_by(table.c.minute.desc()).limit(MOST_ROWS)):
        number = numbers.get(row.minute)
        if number is None:  # of a clock that was ahead
            continue
        function = functions.get(row.function)
        if function is None:
            nothing = [0] * len(numbers)
            function = functions[row.function] = FunctionSums(row.function, RunSums(), nothing, [*nothing])
        function.sums.add(sums_of(row))
        function.calls[number] += row.calls
        function.failures[number] += row.failures
    return [functions[name] for name in sorted(functions)]


def last_minutes(now: datetime, count: int) -> list[datetime]:
    """The last minutes up to that of ``now``, each as the time when it begins, the oldest first."""
    last = minute_of(now)
    return [last - MINUTE * back for back in range(max(1, min(count, MOST_MINUTES)) - 1, -1, -1)]


def minute_of(when: datetime) -> datetime:
    """When the minute of a time begins."""
    return when.replace(second=0, microsecond=0)
