"""``_system/jobs:bulk``: something is done with many jobs, a few seconds later, so that it can be undone until then.

It is a job itself: a mutation of ``_system``, which does a portion and schedules the next one. Undoing it is canceling
that job.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import time_ns
from typing import Final, Literal

from ..database.due_times import make_due
from ..database.job_counts import counts
from ..database.job_filter import JobFilter
from ..database.job_search import search
from ..database.job_tree import children_of
from ..database.scheduled_function import StateKind
from ..database.types import MICROSECOND, JobId
from ..errors import ConvexError, InvalidArguments, InvalidSchedule
from ..runtime.schedule import check_job_id, time_at
from .audit import actor_of, audit
from .context import SystemMutationCtx, SystemQueryCtx, system_mutation, system_query
from .document import Document, UnixTime
from .job_changes import PORTION, JobIds, repeat
from .job_lists import LISTED_EVERY, Filter, read_cursor, written

Action = Literal["cancel", "retry", "run_now", "reschedule"]

DELAY: Final = timedelta(seconds=10)
"""For so long it can be undone."""
RETRIES: Final = 500
"""A mutation schedules at most 1,000 jobs."""
MOST_PORTIONS: Final = 10_000
STATES: Final[Mapping[Action, tuple[StateKind, ...]]] = {
    "cancel": ("pending", "inProgress"),
    "retry": ("success", "failed", "canceled"),
    "run_now": ("pending",),
    "reschedule": ("pending",),
}


class BulkStarted(Document):
    """Something will be done with jobs."""

    job_id: str
    """The job that does it. Until it is due, ``undo`` takes it back."""
    count: int
    more: bool
    """There are more than ``count`` jobs."""
    time: UnixTime


class BulkProgress(Document):
    """How far it is."""

    state: Literal["waiting", "running", "done", "failed", "undone"]
    looked_at: int
    """How many of the jobs the finished portions looked at."""


@system_mutation
def bulk(
    ctx: SystemMutationCtx,
    action: Action,
    job_ids: JobIds | None = None,
    filter: Filter | None = None,
    time: float | None = None,
) -> BulkStarted:
    """Do something with many jobs, in ten seconds.

    Args:
        action: With jobs in other states than it is for, nothing is done.
        job_ids: With these; or
        filter: with all that fit and were there when it was called.
        time: Of ``reschedule``: when, in milliseconds since 1970.

    Raises:
        InvalidArguments: There are job ids and a filter, or neither; or a time is missing.
        InvalidSchedule: One is not a job id, or the time is more than five years away.
        ConvexError: No job fits (NOT_FOUND).
    """
    if (job_ids is None) == (filter is None):
        raise InvalidArguments("a bulk action needs job_ids or a filter, and not both")
    if (time is None) is (action == "reschedule"):
        raise InvalidArguments("reschedule needs a time" if time is None else f"{action} takes no time")
    if time is not None:
        time_at(ctx.now, time)
    checked = None if job_ids is None else [check_job_id(job_id) for job_id in job_ids]
    count, more = (len(checked), False) if checked is not None else counted(ctx, action, filter or Filter())
    if count == 0:
        raise ConvexError("NOT_FOUND", "there is no such job")
    newest = time_ns()  # as jobs have it that wait: what is scheduled later does not fit
    job_id = ctx.schedule.after(
        DELAY,
        apply,
        action=action,
        job_ids=checked,
        filter=filter,
        time=time,
        newest=newest,
        began=ctx.now,
        by=actor_of(ctx),
    )
    details = {"filter": filter.to_json() if filter else None, "jobs": count, "more": more, "by": job_id}
    audit(ctx, action, f"{count:,}{'+' if more else ''} jobs", details)
    return BulkStarted(job_id=job_id, count=count, more=more, time=ctx.now + DELAY)


@system_mutation
def undo(ctx: SystemMutationCtx, job_id: str) -> bool:
    """Take back a bulk action that has not begun. False: it has.

    Raises:
        InvalidSchedule: This is not a job id.
        ConvexError: The job is no bulk action (BAD_REQUEST).
    """
    job = ctx.system.get(check_job_id(job_id))
    if job is None or job.name != apply.name:
        raise ConvexError("BAD_REQUEST", f"{job_id} is no bulk action")
    if job.state_kind != "pending" or job.parent is not None:
        return False
    ctx.schedule.cancel(job.id)
    audit(ctx, "undo", job_id)
    return True


@system_mutation
def apply(
    ctx: SystemMutationCtx,
    action: Action,
    job_ids: Sequence[str] | None,
    filter: Filter | None,
    time: float | None,
    newest: int,
    began: datetime,
    by: str,
    cursor: str | None = None,
    looked_at: int = 0,
) -> int:
    """A portion of a bulk action, and the job of the next one. With how many jobs something was done."""
    if job_ids is not None:
        return act(ctx, action, [JobId(job_id) for job_id in job_ids], time, by)
    wanted = narrowed(ctx, action, filter or Filter(), newest, began)
    with ctx.framework_tables() as connection:
        begin = None if cursor is None else read_cursor(cursor)
        found = search(connection, wanted, ctx.now, begin, RETRIES if action == "retry" else PORTION)
    done = act(ctx, action, [row.id for row in found.rows], time, by)
    if found.cursor is not None:
        ctx.schedule.now(
            apply,
            action=action,
            job_ids=None,
            filter=filter,
            time=time,
            newest=newest,
            began=began,
            by=by,
            cursor=written(found.cursor),
            looked_at=looked_at + len(found.rows),
        )
    return done


@system_query(refresh=LISTED_EVERY)
def bulk_progress(ctx: SystemQueryCtx, job_id: str) -> BulkProgress | None:
    """How far a bulk action is. None: there is no such job.

    Raises:
        InvalidSchedule: This is not a job id.
    """
    job = ctx.system.get(check_job_id(job_id))
    if job is None or job.name != apply.name:
        return None
    is_first = True
    for _ in range(MOST_PORTIONS):
        following = [each for each in children_of(ctx.connection, job.id) if each.name == apply.name]
        if not following or (last := ctx.system.get(following[0].id)) is None:
            break
        job, is_first = last, False
    ended = {"success": "done", "failed": "failed", "canceled": "undone" if is_first else "failed"}
    state = ended.get(job.state_kind) or ("waiting" if is_first else "running")
    return BulkProgress.model_validate({"state": state, "looked_at": job.args.get("looked_at", 0)})


def counted(ctx: SystemMutationCtx, action: Action, filter: Filter) -> tuple[int, bool]:
    wanted = in_states(filter.resolved(ctx.app), action)
    if wanted is None:
        return 0, False
    with ctx.framework_tables() as connection:
        found = counts(connection, wanted, ctx.now).values()
    return sum(each.number for each in found), any(each.more for each in found)


def in_states(wanted: JobFilter, action: Action) -> JobFilter | None:
    """The filter with those states only that the action is for. None: with none."""
    states = tuple(state for state in STATES[action] if wanted.allows(state))
    return replace(wanted, states=states) if states else None


def narrowed(ctx: SystemMutationCtx, action: Action, filter: Filter, newest: int, began: datetime) -> JobFilter:
    """What the filter meant when the action was asked for."""
    wanted = in_states(filter.resolved(ctx.app), action)
    assert wanted is not None
    if action == "retry":
        end = began.astimezone(UTC) + MICROSECOND
        return replace(wanted, until=end if wanted.until is None else min(wanted.until, end))
    return replace(wanted, position=newest)


def act(ctx: SystemMutationCtx, action: Action, ids: Sequence[JobId], time: float | None, by: str) -> int:
    """With how many of these jobs it was done. What is over stays as it is if it is canceled, and counts."""
    if action in ("run_now", "reschedule"):
        when = ctx.now if time is None else time_at(ctx.now, time)
        with ctx.framework_tables() as connection:
            return len(make_due(connection, ids, when, ctx.now))
    if action == "retry":
        return sum(retry_one(ctx, job_id, by) for job_id in ids)
    for job_id in ids:
        if ctx.job is None or ctx.job.id != job_id:
            ctx.schedule.cancel(job_id)
    return len(ids)


def retry_one(ctx: SystemMutationCtx, job_id: JobId, by: str) -> bool:
    try:
        repeat(ctx, job_id, by)
    except (ConvexError, InvalidArguments, InvalidSchedule):  # it is gone, is not over, or no longer fits
        return False
    return True
