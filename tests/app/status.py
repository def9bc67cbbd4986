"""The status of scheduled functions, for callers."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel

from convexpy import JobId, QueryCtx, ScheduledFunction, query


class PendingJob(BaseModel):
    """A job that waits, without its arguments."""

    id: JobId
    name: str
    scheduled_time: datetime


@query
def get_job_status(ctx: QueryCtx, job_id: JobId) -> ScheduledFunction | None:
    return ctx.system.get(job_id)


@query
def list_pending_jobs(ctx: QueryCtx) -> list[PendingJob]:
    jobs = ctx.system.scheduled_functions(state="pending", limit=100)
    return [PendingJob(id=j.id, name=j.name, scheduled_time=j.scheduled_time) for j in jobs]
