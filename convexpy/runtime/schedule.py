"""What a call wants to run later: checked at once, kept in a buffer, written only by the commit."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, ParamSpec

from sqlalchemy import Connection

from ..database import jobs
from ..database.job_queries import is_canceled
from ..database.jobs import NewJob
from ..database.types import EPOCH, JobId
from ..errors import FunctionNotFound, InvalidSchedule, ScheduleLimitExceeded
from ..functions.declare import Kind, SchedulableFunction
from ..functions.registry import AnyFunction, Registry
from ..settings import Settings
from .call import Call
from .events import Scheduled
from .origin import Origin, origin_of

P = ParamSpec("P")

FARTHEST: Final = timedelta(days=5 * 366)
SECONDS_BELOW: Final = 10**11
"""A number of Unix milliseconds below this is before March 1973; seconds reach it in the year 5138."""
JOB_ID: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Cancel:
    """A wish to cancel a job that is already stored."""

    job_id: JobId


class Limits:
    """How much one function call has scheduled, and how much it may."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.count = 0
        self.bytes = 0

    def add(self, name: str, size: int) -> None:
        """Count one more, or refuse it."""
        if self.count + 1 > self._settings.max_scheduled:
            raise ScheduleLimitExceeded(
                f"cannot schedule {name}: one function call may schedule {self._settings.max_scheduled} functions. "
                "Let a scheduled mutation schedule the rest"
            )
        if self.bytes + size > self._settings.max_scheduled_bytes:
            raise ScheduleLimitExceeded(
                f"cannot schedule {name}: the arguments scheduled by one function call may take "
                f"{self._settings.max_scheduled_bytes} bytes together. Store the data in a table and pass its id"
            )
        self.count += 1
        self.bytes += size


class Mark(NamedTuple):
    """How much a buffer held when a savepoint began."""

    steps: int
    scheduled: int
    size: int


NOTHING: Final = Mark(0, 0, 0)


class ScheduleBuffer:
    """What one transaction will insert and cancel, in the order it was asked for."""

    def __init__(
        self,
        registry: Registry,
        new_id: Callable[[], JobId],
        now: datetime,
        limits: Limits,
        call: Call,
        finishes_job: bool,
    ) -> None:
        """``call``: what schedules. ``finishes_job``: the transaction ends its job."""
        self._registry = registry
        self._new_id = new_id
        self._now = now
        self._limits = limits
        self._call = call
        self._job = call.job
        self._known_origin: Origin | None = None
        self._finishes_job = finishes_job
        self._steps: list[NewJob | Cancel] = []
        self._is_over = False

    @property
    def is_empty(self) -> bool:
        return not self._steps

    def add(self, when: datetime, target: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> JobId:
        """Schedule a function; the id is known at once."""
        self._check_open()
        return self._add(make_job(self._registry, self._new_id(), when, target, args, kwargs, self._origin()))

    def add_stored(
        self,
        when: datetime,
        function: AnyFunction,
        stored_args: str,
        cron: str | None = None,
        origin: Origin | None = None,
    ) -> JobId:
        """Schedule a function with arguments that a job or a cron stores already. ``origin``: if it is not the call."""
        self._check_open()
        name, origin = self._registry.name_of(function), origin or self._origin()
        return self._add(NewJob(self._new_id(), name, function.kind, stored_args, when, cron, *origin))

    def _origin(self) -> Origin:
        """Of all jobs of this buffer."""
        self._known_origin = self._known_origin or origin_of(self._call, self._now)
        return self._known_origin

    def _add(self, job: NewJob) -> JobId:
        self._limits.add(job.name, len(job.args.encode()))
        self._steps.append(job)
        return job.id

    def cancel(self, job_id: str) -> None:
        """Cancel a job, with this transaction's commit."""
        self._check_open()
        checked = check_job_id(job_id)
        if self._finishes_job and self._job is not None and self._job.id == checked:
            raise InvalidSchedule("a mutation cannot cancel the job that runs it. Return, or raise an error, instead")
        self._steps.append(Cancel(checked))

    def mark(self) -> Mark:
        """Where a savepoint begins."""
        return Mark(len(self._steps), self._limits.count, self._limits.bytes)

    def undo_to(self, mark: Mark) -> None:
        """Forget what was asked for since, and only that."""
        del self._steps[mark.steps :]
        self._limits.count, self._limits.bytes = mark.scheduled, mark.size

    def new_jobs(self) -> list[NewJob]:
        """What will be inserted. A job that was canceled again is remembered as canceled."""
        new = [step for step in self._steps if isinstance(step, NewJob)]
        if len(new) == len(self._steps):
            return new
        canceled = set(self._canceled())
        return [replace(job, canceled=True) if job.id in canceled else job for job in new]

    def canceling(self) -> list[JobId]:
        """Stored jobs that the commit will cancel."""
        own = {step.id for step in self._steps if isinstance(step, NewJob)}
        return [job_id for job_id in self._canceled() if job_id not in own]

    def _canceled(self) -> list[JobId]:
        return [step.job_id for step in self._steps if isinstance(step, Cancel)]

    def scheduled(self) -> tuple[Scheduled, ...]:
        """What was scheduled and not canceled again, for logs."""
        if not self._steps:
            return ()
        return tuple(Scheduled(job.name, job.scheduled_time, job.id) for job in self.new_jobs() if not job.canceled)

    def close(self) -> None:
        """The call is over; nothing that is asked for now could be part of its commit."""
        self._is_over = True

    def _check_open(self) -> None:
        if self._is_over:
            raise InvalidSchedule("ctx.schedule was used after its call had ended. Schedule before the handler returns")

    def write(self, connection: Connection, now: datetime) -> None:
        """Insert and cancel jobs, inside the transaction that is about to commit."""
        if not self._steps:
            return
        new = self.new_jobs()
        orphans = self._orphans(connection) if new else set()
        jobs.insert_jobs(connection, [replace(j, canceled=True) if j.id in orphans else j for j in new], now)
        for job_id in self.canceling():
            jobs.cancel(connection, job_id, now)

    def _orphans(self, connection: Connection) -> set[JobId]:
        """What an action scheduled after it was canceled: remembered, and never run."""
        if self._job is None or self._finishes_job:
            return set()
        steps = self._steps
        if not is_canceled(connection, self._job.id):
            steps = steps[steps.index(Cancel(self._job.id)) :] if Cancel(self._job.id) in steps else []
        return {step.id for step in steps if isinstance(step, NewJob)}


class Schedule:
    """``ctx.schedule`` in a mutation: part of its transaction, so it happens if and only if that commits."""

    def __init__(self, buffer: ScheduleBuffer, now: datetime) -> None:
        self._buffer = buffer
        self._now = now

    def now(self, function: SchedulableFunction[Any, P, Any, Any], /, *args: P.args, **kwargs: P.kwargs) -> JobId:
        """Run a mutation or an action as soon as this mutation has committed."""
        return self._buffer.add(self._now, function, args, kwargs)

    def after(
        self,
        delay: timedelta | float,
        function: SchedulableFunction[Any, P, Any, Any],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> JobId:
        """Run it after a delay: a ``timedelta``, or a number of milliseconds."""
        return self._buffer.add(time_after(self._now, delay), function, args, kwargs)

    def at(
        self,
        when: datetime | float,
        function: SchedulableFunction[Any, P, Any, Any],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> JobId:
        """Run it at a time: an aware ``datetime``, or Unix milliseconds. A time in the past means at once."""
        return self._buffer.add(time_at(self._now, when), function, args, kwargs)

    def cancel(self, job_id: JobId, /) -> None:
        """Cancel a job, with this mutation's commit. Nothing happens if it is finished or unknown."""
        self._buffer.cancel(job_id)


def make_job(
    registry: Registry,
    job_id: JobId,
    when: datetime,
    target: object,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    origin: Origin,
) -> NewJob:
    """A job for a function and its arguments, or a clear refusal."""
    try:
        function = registry.find(target)
    except FunctionNotFound as error:
        raise InvalidSchedule(f"cannot schedule: {error.message}") from None
    if function.kind is Kind.QUERY:
        raise InvalidSchedule(
            f"cannot schedule {function.name}: it is a query, which has no effect that could happen later. "
            "Schedule a mutation or an action"
        )
    values = function.arguments.bind(function.name, args, kwargs)
    stored = function.arguments.store(function.name, values)
    name = registry.name_of(function)
    return NewJob(job_id, name, function.kind, stored, when, None, *origin)


def time_after(now: datetime, delay: object) -> datetime:
    """Now plus a delay: a ``timedelta``, or a number of milliseconds."""
    if isinstance(delay, timedelta):
        milliseconds: float = delay / timedelta(milliseconds=1)
    elif isinstance(delay, int | float) and not isinstance(delay, bool):
        milliseconds = delay
    else:
        raise InvalidSchedule(f"a delay is a timedelta or a number of milliseconds, not {delay!r}")
    # Comparing is safe for whole numbers of any size; turning one into a float is not.
    if not milliseconds >= 0 or milliseconds == math.inf:
        raise InvalidSchedule(f"a delay is finite and not negative, so {delay!r} cannot be one")
    if milliseconds > FARTHEST / timedelta(milliseconds=1):
        raise InvalidSchedule(f"a delay of {delay!r} is more than five years ({FARTHEST.days} days)")
    return now + (delay if isinstance(delay, timedelta) else timedelta(milliseconds=milliseconds))


def time_at(now: datetime, when: object) -> datetime:
    """A point in time: an aware ``datetime``, or Unix milliseconds. It may lie in the past, and is then due at once."""
    if isinstance(when, datetime):
        if when.utcoffset() is None:
            raise InvalidSchedule(f"{when!r} has no time zone. Write datetime(…, tzinfo=UTC), or use ctx.now")
    elif not isinstance(when, int | float) or isinstance(when, bool) or when != when:  # NaN
        raise InvalidSchedule(f"a time is an aware datetime or a number of Unix milliseconds, not {when!r}")
    elif abs(when) < SECONDS_BELOW:
        raise InvalidSchedule(
            f"{when!r} Unix milliseconds are around 1970, more than five years ({FARTHEST.days} days) away. If "
            "they are seconds, multiply them by 1000, or pass an aware datetime"
        )
    try:
        moment = when.astimezone(UTC) if isinstance(when, datetime) else EPOCH + timedelta(milliseconds=when)
    except OverflowError:
        moment = datetime.max.replace(tzinfo=UTC)  # outside of what can be counted is far enough
    if abs(moment - now) > FARTHEST:
        raise InvalidSchedule(f"{when!r} is more than five years ({FARTHEST.days} days) away")
    return moment


def check_job_id(job_id: object) -> JobId:
    """A job id that could be one."""
    if not isinstance(job_id, str) or JOB_ID.fullmatch(job_id) is None:
        raise InvalidSchedule(f"{job_id!r} is not a job id: it is what ctx.schedule.now, after or at returned")
    return JobId(job_id)
