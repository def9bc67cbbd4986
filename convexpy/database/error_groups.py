"""Failures, grouped by where they come from, with how often each group was seen in each minute."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import Connection, case, func, select
from sqlalchemy.dialects import postgresql, sqlite

from .old_rows import OldRows
from .tables import error_minutes, errors, finished, jobs
from .types import JobId

KEPT: Final = timedelta(days=7)
MOST_GROUPS: Final = 200
MOST_MINUTES: Final = 20_000
"""How many rows of error minutes are read at most, each of one group and one process."""
MOST_FAILED_JOBS: Final = 2000
"""How many of the latest failed jobs are looked through at most for those of a group."""


@dataclass(frozen=True)
class ErrorGroup:
    """Failures of one function by one exception at one place."""

    fingerprint: str
    function: str
    exception: str
    place: str | None
    message: str
    """Of the last failure, as are the traceback and the job."""
    job_id: JobId | None
    times: int
    first_time: datetime
    last_time: datetime


class SeenError(NamedTuple):
    """What one process has seen of a group since it stored it last."""

    group: ErrorGroup
    trace: str | None


class ErrorMinute(NamedTuple):
    """How often one process has seen a group in a minute so far."""

    minute: datetime
    fingerprint: str
    process: str
    times: int


class FailedJob(NamedTuple):
    """A job that failed, and its error."""

    id: JobId
    error: str
    completed_time: datetime


OLD_ERRORS: Final = OldRows(errors, errors.c.last_time)
OLD_ERROR_MINUTES: Final = OldRows(error_minutes, error_minutes.c.minute)
_GROUP: Final = [column for column in errors.c if column is not errors.c.trace]


def store_errors(connection: Connection, seen: Iterable[SeenError]) -> None:
    """Add to the stored groups. Of the last failure, what is later stays."""
    new = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(errors)
    given, is_later = new.excluded, new.excluded.last_time >= errors.c.last_time
    latest = {
        name: case((is_later, given[name]), else_=errors.c[name])
        for name in ("exception", "message", "trace", "job_id", "last_time")
    }
    first = case((given.first_time < errors.c.first_time, given.first_time), else_=errors.c.first_time)
    changes = {**latest, "first_time": first, "times": errors.c.times + given.times}
    statement = new.on_conflict_do_update(index_elements=["fingerprint"], set_=changes)
    # In one order, so that two processes that do this at once do not deadlock.
    for each in sorted(seen, key=lambda each: each.group.fingerprint):
        connection.execute(statement, {**vars(each.group), "trace": each.trace})


def store_error_minutes(connection: Connection, rows: Iterable[ErrorMinute]) -> None:
    """Store what a process has seen in a minute so far, in place of what it stored before."""
    new = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(error_minutes)
    key = [column.name for column in error_minutes.primary_key]
    statement = new.on_conflict_do_update(index_elements=key, set_={"times": new.excluded.times})
    connection.execute(statement, [each._asdict() for each in rows])


def recent_errors(connection: Connection, since: datetime, limit: int = MOST_GROUPS) -> list[ErrorGroup]:
    """The groups that were seen since a time, the latest first."""
    found = select(*_GROUP).where(errors.c.last_time >= since).order_by(errors.c.last_time.desc()).limit(limit)
    return [ErrorGroup(**row._mapping) for row in connection.execute(found)]


def find_error(connection: Connection, fingerprint: str) -> SeenError | None:
    """A group with the traceback of its last failure, or None."""
    row = connection.execute(select(*_GROUP, errors.c.trace).where(errors.c.fingerprint == fingerprint)).first()
    if row is None:
        return None
    *group, trace = row
    return SeenError(ErrorGroup(*group), trace)


def error_times(
    connection: Connection, since: datetime, fingerprints: Collection[str] | None = None
) -> dict[str, dict[datetime, int]]:
    """How often each group was seen in each minute since a time, by fingerprint; of these groups, or of all."""
    rows = select(error_minutes).where(error_minutes.c.minute >= since)
    if fingerprints is not None:
        rows = rows.where(error_minutes.c.fingerprint.in_(fingerprints))
    times: dict[str, dict[datetime, int]] = {}
    for row in connection.execute(rows.order_by(error_minutes.c.minute.desc()).limit(MOST_MINUTES)):
        by_minute = times.setdefault(row.fingerprint, {})
        by_minute[row.minute] = by_minute.get(row.minute, 0) + row.times
    return times


def failed_jobs(connection: Connection, function: str) -> list[FailedJob]:
    """The failed jobs of a function among the latest 2,000 that failed, the latest first."""
    latest = (
        select(finished.c.job_id, finished.c.completed_time)
        .where(finished.c.state_kind == "failed")
        .order_by(finished.c.completed_time.desc())
        .limit(MOST_FAILED_JOBS)
        .subquery("counted")
    )
    found = (
        select(jobs.c.id, func.coalesce(jobs.c.state_error, ""), latest.c.completed_time)
        .join(latest, latest.c.job_id == jobs.c.id)
        .where(jobs.c.name == function)
        .order_by(latest.c.completed_time.desc())
    )
    return [FailedJob(*row) for row in connection.execute(found)]
