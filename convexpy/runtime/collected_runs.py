"""Runs, summed up: what was collected since the last flush, and what a process has not stored yet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from ..database.cron_runs import FinishedRun, add_finished
from ..database.durations import bucket_of
from ..database.error_groups import (
    ErrorGroup,
    ErrorMinute,
    SeenError,
    store_error_minutes,
    store_errors,
)
from ..database.minutes import ALL_FUNCTIONS, MINUTE, RunSums, StoredMinute, minute_of, store_minutes
from ..database.types import EPOCH, JobId
from ..errors import ConvexError
from .events import Run
from .failure_origin import FailureOrigin

LONGEST_MESSAGE: Final = 2000
MOST_SUMS: Final = 20_000
"""So many sums are kept while the database fails; then the oldest minutes are given up."""
MOST_GROUPS: Final = 500
MOST_CRON_RUNS: Final = 1000
GRACE: Final = timedelta(minutes=3)
"""For so long a minute is remembered after its end: a clock that was set back may come to it again."""


@dataclass(slots=True)
class Failures:
    """The failures of one origin since the last flush, and what is shown of one of them."""

    exception: str
    message: str
    trace: str | None
    job_id: JobId | None
    times: dict[datetime, int]
    """By minute."""
    first_time: datetime
    last_time: datetime


class CollectedRuns:
    """Runs since the last flush. Its user lets one thread at a time in."""

    __slots__ = ("_end", "_functions", "_minute", "cron_runs", "failures", "minutes")

    def __init__(self) -> None:
        self.minutes: dict[datetime, dict[str, RunSums]] = {}
        self.failures: dict[FailureOrigin, Failures] = {}
        self.cron_runs: list[FinishedRun] = []
        # The minute of the last run, when it ends, and its sums.
        self._minute = self._end = EPOCH
        self._functions: dict[str, RunSums] = {}

    def add(self, run: Run, ended: datetime, failed: bool) -> None:
        """Count a run."""
        if not self._minute <= ended < self._end:
            self._minute = minute_of(ended)
            self._end = self._minute + MINUTE
            self._functions = self.minutes.setdefault(self._minute, {})
        sums = self._functions.get(run.name)
        if sums is None:
            sums = self._functions[run.name] = RunSums()
        if run.outcome == "retry":
            sums.retries += 1
            return
        sums.calls += 1
        sums.failures += failed
        if run.job is not None:
            sums.jobs += 1
            sums.job_failures += failed
        bucket, durations = bucket_of(run.seconds), sums.durations
        durations[bucket] = durations.get(bucket, 0) + 1

    def add_failure(self, origin: FailureOrigin, message: str, trace: str | None, run: Run, ended: datetime) -> None:
        """Count a failure by its origin. The first one since the last flush is shown."""
        minute, found = minute_of(ended), self.failures.get(origin)
        if found is not None:
            found.times[minute] = found.times.get(minute, 0) + 1
            found.last_time = max(ended, found.last_time)
        elif len(self.failures) < MOST_GROUPS:
            message = message[:LONGEST_MESSAGE]
            name = exception_of(origin, run.exception)
            self.failures[origin] = Failures(name, message, trace, run.job_id, {minute: 1}, ended, ended)


@dataclass(slots=True)
class UnstoredRuns:
    """What a process has run in the latest minutes, and what of it is not stored yet."""

    process: str
    minutes: dict[datetime, dict[str, RunSums]] = field(default_factory=dict)
    error_minutes: dict[datetime, dict[str, int]] = field(default_factory=dict)
    errors: dict[str, SeenError] = field(default_factory=dict)
    cron_runs: list[FinishedRun] = field(default_factory=list)
    _changed: set[tuple[datetime, str]] = field(default_factory=set)
    _changed_errors: set[tuple[datetime, str]] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self._changed or self._changed_errors or self.errors or self.cron_runs)

    def add(self, runs: CollectedRuns) -> None:
        """Take over what was collected."""
        for minute, functions in runs.minutes.items():
            for name, sums in functions.items():
                for function in (name, ALL_FUNCTIONS):
                    self.minutes.setdefault(minute, {}).setdefault(function, RunSums()).add(sums)
                    self._changed.add((minute, function))
        for origin, failures in runs.failures.items():
            self._add_failures(origin, failures)
        self.cron_runs = [*self.cron_runs, *runs.cron_runs][-MOST_CRON_RUNS:]
        while len(self.minutes) > 1 and sum(map(len, self.minutes.values())) > MOST_SUMS:
            self._forget(min(self.minutes))

    def _add_failures(self, origin: FailureOrigin, failures: Failures) -> None:
        fingerprint, times = origin.fingerprint, sum(failures.times.values())
        for minute, count in failures.times.items():
            counted = self.error_minutes.setdefault(minute, {})
            counted[fingerprint] = counted.get(fingerprint, 0) + count
            self._changed_errors.add((minute, fingerprint))
        before, first = self.errors.get(fingerprint), failures.first_time
        if before is None and len(self.errors) >= MOST_GROUPS:
            return
        if before is not None:
            times, first = times + before.group.times, before.group.first_time
        shown = failures.exception, origin.place, failures.message, failures.job_id
        group = ErrorGroup(fingerprint, origin.function, *shown, times, first, failures.last_time)
        self.errors[fingerprint] = SeenError(group, failures.trace)

    def store(self, connection: Connection) -> None:
        """Store what is not stored yet, within a transaction."""
        if self._changed:
            store_minutes(connection, self._rows())
        if self._changed_errors:
            counted = sorted(self._changed_errors)
            times = [(minute, key, self.process, self.error_minutes[minute][key]) for minute, key in counted]
            store_error_minutes(connection, [ErrorMinute(*each) for each in times])
        store_errors(connection, self.errors.values())
        add_finished(connection, self.cron_runs)

    def _rows(self) -> Iterator[StoredMinute]:
        for minute, function in sorted(self._changed):
            yield StoredMinute(minute, function, self.process, self.minutes[minute][function])

    def stored(self, now: datetime) -> None:
        """All of it is stored: only the latest minutes are needed again."""
        self._changed.clear()
        self._changed_errors.clear()
        self.errors.clear()
        self.cron_runs.clear()
        for minute in [each for each in {*self.minutes, *self.error_minutes} if each + GRACE < now]:
            self._forget(minute)

    def _forget(self, minute: datetime) -> None:
        self.minutes.pop(minute, None)
        self.error_minutes.pop(minute, None)
        self._changed = {each for each in self._changed if each[0] != minute}
        self._changed_errors = {each for each in self._changed_errors if each[0] != minute}


def exception_of(origin: FailureOrigin, error: BaseException | None) -> str:
    """The name of an exception: that of its class, unless it is a plain ``ConvexError``, whose code says more."""
    if isinstance(error, ConvexError) and type(error) is not ConvexError:
        return type(error).__name__
    return origin.exception
