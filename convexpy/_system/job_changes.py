"""``_system/jobs``: cancel, retry, reschedule, run now, and schedule new jobs. Each change is in the audit log."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import Field

from ..clock import unix_milliseconds
from ..database.due_times import make_due
from ..database.jobs import RETRY
from ..database.types import JobId
from ..errors import ConvexError
from ..functions.declare import Kind
from ..runtime.origin import Origin
from ..runtime.schedule import check_job_id, time_at
from .audit import actor_of, audit
from .context import SystemMutationCtx, system_mutation
from .job_document import Job

PORTION: Final = 1_000
"""How many jobs one mutation changes at most."""

JobIds = Annotated[Sequence[str], Field(max_length=PORTION)]


@system_mutation
def cancel(ctx: SystemMutationCtx, job_id: str) -> Job | None:
    """Cancel a job and return it as it is then: canceled, or finished already. None: there is no such job.

    Raises:
        InvalidSchedule: This is not a job id.
    """
    ctx.schedule.cancel(JobId(job_id))
    audit(ctx, "cancel", job_id)
    return ctx.system.get(job_id)


@system_mutation
def cancel_now(ctx: SystemMutationCtx, job_ids: JobIds) -> Sequence[str]:
    """Cancel jobs. Those that are canceled: what is over stays as it is.

    Raises:
        InvalidSchedule: One is not a job id.
    """
    ids = list(dict.fromkeys(check_job_id(job_id) for job_id in job_ids))
    open_ids = [job_id for job_id in ids if (job := ctx.system.get(job_id)) and job.completed_time is None]
    for job_id in open_ids:
        ctx.schedule.cancel(job_id)
        audit(ctx, "cancel", job_id)
    return open_ids


@system_mutation
def retry(ctx: SystemMutationCtx, job_id: str, time: float | None = None) -> JobId:
    """Schedule the function of a finished job once more, with the same arguments, as a new job.

    Args:
        job_id: The job.
        time: When, in milliseconds since 1970. None, or in the past: now.

    Raises:
        InvalidSchedule: This is not a job id, or the time is more than five years away.
        ConvexError: There is no such job (NOT_FOUND), it is not finished (CONFLICT), or its function or arguments no
            longer fit.
    """
    new = repeat(ctx, check_job_id(job_id), actor_of(ctx), None if time is None else time_at(ctx.now, time))
    audit(ctx, "retry", job_id, {"new": new})
    return new


def repeat(ctx: SystemMutationCtx, job_id: JobId, by: str, when: datetime | None = None) -> JobId:
    """What ``retry`` does. ``by``: the actor."""
    old = ctx.system.get(job_id)
    if old is None:
        raise ConvexError("NOT_FOUND", f"there is no job {job_id}")
    if old.completed_time is None:
        raise ConvexError("CONFLICT", f"job {job_id} is {old.state_kind}: only a finished job can be retried")
    function = ctx.app.registry.find(old.name)
    if function.kind is Kind.QUERY:
        raise ConvexError("CONFLICT", f"{old.name} is a query now, and a query cannot be a job")
    stored_args = json.dumps(old.args)
    function.arguments.load(function.name, stored_args)
    about = {"function": ctx.function.name, "actor": by, "started": unix_milliseconds(ctx.now)}
    origin = Origin(None, RETRY + job_id, json.dumps(about))
    return ctx.schedule_stored(function, stored_args, when=when, origin=origin)


@system_mutation
def run_now(ctx: SystemMutationCtx, job_ids: JobIds) -> Sequence[str]:
    """Let jobs that wait be due now. Those that were moved: a job that a worker holds, or that is over, is not.

    Raises:
        InvalidSchedule: One is not a job id.
    """
    return move(ctx, job_ids, ctx.now, "run now")


@system_mutation
def reschedule(ctx: SystemMutationCtx, job_ids: JobIds, time: float) -> Sequence[str]:
    """Let jobs that wait be due at a time, in milliseconds since 1970. Those that were moved.

    Raises:
        InvalidSchedule: One is not a job id, or the time is more than five years away.
    """
    return move(ctx, job_ids, time_at(ctx.now, time), "reschedule")


def move(ctx: SystemMutationCtx, job_ids: Sequence[str], time: datetime, action: str) -> Sequence[JobId]:
    ids = list(dict.fromkeys(check_job_id(job_id) for job_id in job_ids))
    with ctx.framework_tables() as connection:
        moved = make_due(connection, ids, time, ctx.now)
    if moved:
        audit(ctx, action, ", ".join(moved[:3]) + ("…" if len(moved) > 3 else ""), {"time": time, "jobs": len(moved)})
    return moved


@system_mutation
def schedule(ctx: SystemMutationCtx, function: str, args: dict[str, Any], time: float | None = None) -> JobId:
    """Schedule a function by its name. A job has no identity: it runs for the app, not for a user.

    Args:
        function: A mutation or an action.
        args: Its arguments, as JSON values.
        time: When, in milliseconds since 1970. None, or in the past: now.

    Raises:
        FunctionNotFound: There is no such function.
        InvalidArguments: The arguments do not fit.
        InvalidSchedule: The time is more than five years away.
        ConvexError: It is a query (CONFLICT).
    """
    found = ctx.app.registry.find(function)
    if found.kind is Kind.QUERY:
        raise ConvexError("CONFLICT", f"{found.name} is a query, and a query cannot be a job")
    values = found.arguments.check_json(found.name, args)
    stored_args = found.arguments.store(found.name, values)
    job_id = ctx.schedule_stored(found, stored_args, when=None if time is None else time_at(ctx.now, time))
    audit(ctx, "schedule", found.name, {"job": job_id})
    return job_id
