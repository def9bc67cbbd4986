"""``_system/errors``: failures by where they come from, and the failed jobs of each group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Self

from pydantic import Field
from sqlalchemy import Connection

from ..clock import unix_milliseconds
from ..database.error_groups import (
    ErrorGroup,
    FailedJob,
    SeenError,
    error_times,
    failed_jobs,
    find_error,
    recent_errors,
)
from ..database.job_queries import find_jobs, list_jobs
from ..database.minutes import MINUTE, minute_of
from ..database.types import EPOCH, JobId
from ..errors import ConvexError, ScheduleLimitExceeded
from ..runtime.events import Job as RunningJob
from ..runtime.failure_origin import origin_of
from .audit import actor_of, audit
from .context import LOOKED_EVERY, SystemMutationCtx, SystemQueryCtx, system_mutation, system_query
from .document import Document, UnixTime
from .job_changes import repeat
from .job_document import Job
from .traceback import RaisedError, parse_trace, short_path

TREND_PARTS: Final = 60
MOST_MINUTES: Final = 7 * 24 * 60
MOST_SHOWN: Final = 50
MOST_REPLAYED: Final = 500
MOST_REPLAYS: Final = 100
REPLAY_NOW: Final = "_system/errors:replay_now"
REPLAYED: Final = frozenset({"pending", "success"})
UNDO: Final = timedelta(seconds=10)
"""For so long a replay waits, and can be canceled."""

Minutes = Annotated[int, Field(ge=1, le=MOST_MINUTES)]


class ErrorSummary(Document):
    """Failures of one function by one exception at one place in the app's code."""

    fingerprint: str
    function: str
    exception: str
    place: str | None
    """Such as ``/app/shop/orders.py:12 in place``. None: no line of the app's code raised it."""
    message: str
    """Of one of the last failures."""
    times: int
    """How often, in the minutes that were asked for."""
    total: int
    """How often since the first time."""
    first_time: UnixTime
    last_time: UnixTime
    trend: Sequence[int]
    """How often, in each of up to 60 parts of these minutes, the oldest first."""

    @classmethod
    def of(cls, group: ErrorGroup, trend: Sequence[int]) -> Self:
        return cls(**summary_of(group, trend))


class ErrorDetail(ErrorSummary):
    """A group with the traceback and the job of one of the last failures."""

    trace: Sequence[RaisedError]
    """The traceback of one of the last failures. Empty: its process died."""
    job_id: JobId | None
    """None: a direct call failed."""
    replayable: int
    """How many failed jobs a replay would run again, up to 500."""


class Replay(Document):
    """A replay that begins soon."""

    job_id: JobId
    """The job that does it. To cancel it is to undo the replay."""
    jobs: int
    """How many jobs are run again."""
    time: UnixTime


@system_query(refresh=LOOKED_EVERY)
def list(ctx: SystemQueryCtx, minutes: Minutes = 60) -> Sequence[ErrorSummary]:
    """The groups that were seen in the last minutes, the latest first, up to 200."""
    parts = TrendParts(ctx.now, minutes)
    groups = recent_errors(ctx.connection, parts.since)
    times = error_times(ctx.connection, parts.since)
    return [ErrorSummary.of(group, parts.trend(times.get(group.fingerprint, {}))) for group in groups]


@system_query(refresh=LOOKED_EVERY)
def get(ctx: SystemQueryCtx, fingerprint: str, minutes: Minutes = 60) -> ErrorDetail | None:
    """One group, or None: it never existed, or was not seen for seven days."""
    found = find_error(ctx.connection, fingerprint)
    if found is None:
        return None
    parts = TrendParts(ctx.now, minutes)
    times = error_times(ctx.connection, parts.since, [fingerprint]).get(fingerprint, {})
    count = len(left_to_replay(ctx.connection, found, ctx.now))
    summary = summary_of(found.group, parts.trend(times))
    return ErrorDetail(
        **summary, trace=parse_trace(found.trace) if found.trace else [], job_id=found.group.job_id, replayable=count
    )


@system_query(refresh=LOOKED_EVERY)
def jobs(ctx: SystemQueryCtx, fingerprint: str) -> Sequence[Job]:
    """The failed jobs of a group, the latest first: up to 50, of the latest 2,000 jobs that failed."""
    found = find_error(ctx.connection, fingerprint)
    if found is None:
        return []
    return find_jobs(ctx.connection, [job.id for job in jobs_of(ctx.connection, found)[:MOST_SHOWN]])


@system_mutation
def replay(ctx: SystemMutationCtx, fingerprint: str) -> Replay:
    """Run the failed jobs of a group again, as new jobs with the same arguments, in 10 seconds: until then it can be
    undone. Jobs that were replayed before are left out, and all but the latest 500.

    Raises:
        ConvexError: There is no such group (NOT_FOUND), or it has no job to run again (CONFLICT).
    """
    with ctx.framework_tables() as connection:
        found = find_error(connection, fingerprint)
        left = left_to_replay(connection, found, ctx.now) if found else []
    if found is None:
        raise ConvexError("NOT_FOUND", f"there is no group of errors {fingerprint!r}")
    if not left:
        raise ConvexError("CONFLICT", "no failed job of this group is left to run again")
    time = ctx.now + UNDO
    job_id = ctx.schedule.at(
        time, replay_now, fingerprint=fingerprint, before=unix_milliseconds(ctx.now), by=actor_of(ctx)
    )
    audit(ctx, "replay", found.group.function, {"fingerprint": fingerprint, "jobs": len(left)})
    return Replay(job_id=job_id, jobs=len(left), time=time)


@system_mutation
def replay_now(ctx: SystemMutationCtx, fingerprint: str, before: int, by: str) -> int:
    """What ``replay`` schedules: it runs the jobs again that had failed at a time. How many.

    A job whose function or arguments fit no longer is left out.

    Args:
        ctx: The context.
        fingerprint: The group.
        before: Milliseconds since 1970.
        by: The actor, as the audit log names it.
    """
    with ctx.framework_tables() as connection:
        found = find_error(connection, fingerprint)
        left = left_to_replay(connection, found, EPOCH + timedelta(milliseconds=before + 1), ctx.job) if found else []
    return sum(is_repeated(ctx, job.id, by) for job in reversed(left))


def is_repeated(ctx: SystemMutationCtx, job_id: JobId, by: str) -> bool:
    """Schedule the function of a failed job once more. False: it cannot be a job any more."""
    try:
        repeat(ctx, job_id, by)
    except ScheduleLimitExceeded:
        raise
    except ConvexError:
        return False
    return True


def left_to_replay(
    connection: Connection, error: SeenError, before: datetime, replay: RunningJob | None = None
) -> Sequence[FailedJob]:
    """The failed jobs of a group that no replay before this one has run again, the latest 500."""
    replayed = EPOCH
    for job in list_jobs(connection, name=REPLAY_NOW, limit=MOST_REPLAYS):
        is_other = replay is None or job.id != replay.id
        if is_other and job.args["fingerprint"] == error.group.fingerprint and job.state_kind in REPLAYED:
            replayed = max(replayed, EPOCH + timedelta(milliseconds=job.args["before"] + 1))
    jobs = jobs_of(connection, error)
    return [job for job in jobs if replayed <= job.completed_time < before][:MOST_REPLAYED]


def jobs_of(connection: Connection, error: SeenError) -> Sequence[FailedJob]:
    """The failed jobs of a group, the latest first."""
    function, fingerprint = error.group.function, error.group.fingerprint
    jobs = failed_jobs(connection, function)
    return [job for job in jobs if origin_of(function, job.error)[0].fingerprint == fingerprint]


class TrendParts:
    """The parts of the last minutes for a trend: as many minutes as they are, up to 60."""

    def __init__(self, now: datetime, minutes: int) -> None:
        self._count = min(minutes, TREND_PARTS)
        self._minutes = -(-minutes // self._count)
        self._end = minute_of(now) + MINUTE
        self.since: Final = self._end - MINUTE * self._minutes * self._count

    def trend(self, times: Mapping[datetime, int]) -> Sequence[int]:
        """The sum of each part."""
        parts = [0] * self._count
        for minute, count in times.items():
            if self.since <= minute < self._end:
                parts[(minute - self.since) // (MINUTE * self._minutes)] += count
        return parts


def summary_of(group: ErrorGroup, trend: Sequence[int]) -> dict[str, Any]:
    values = vars(group)
    shown = {name: values[name] for name in ErrorSummary.model_fields if name in values}
    place = short_path(group.place) if group.place else None
    return {**shown, "place": place, "times": sum(trend), "total": group.times, "trend": trend}
