"""What was run in each minute: sums of runs that each process stores by function, and over all functions.

A process stores a minute again and again while it goes on, each time with the sums so far. So a flush that is repeated
counts nothing twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, bindparam, delete, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from .durations import from_text, merged, quantile, to_text
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
        self.durations = merged((self.durations, other.durations))

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
    raise NotImplementedError


def sums_by_function(connection: Connection, now: datetime, minutes: int = 60) -> list[FunctionSums]:
    """The sums of each function that was run in the last minutes, by name."""
    raise NotImplementedError
