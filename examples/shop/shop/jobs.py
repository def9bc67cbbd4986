"""What became of a job. Arguments are left out: they may hold what only their user should see."""

from datetime import datetime

from convexpy import JobId, QueryCtx, query
from pydantic import BaseModel


class JobStatus(BaseModel):
    """A job as clients see it."""

    name: str
    scheduled_time: datetime
    completed_time: datetime | None
    state: str


class PendingJob(BaseModel):
    """A job that waits for its time."""

    id: JobId
    name: str
    scheduled_time: datetime


@query
def get_job_status(ctx: QueryCtx, job_id: JobId) -> JobStatus | None:
    """None: there is no such job, or it finished more than seven days ago."""
    job = ctx.system.get(job_id)
    if job is None:
        return None
    return JobStatus(
        name=job.name, scheduled_time=job.scheduled_time, completed_time=job.completed_time, state=job.state.kind
    )


@query
def list_pending_jobs(ctx: QueryCtx) -> list[PendingJob]:
    jobs = ctx.system.scheduled_functions(state="pending", limit=100)
    return [PendingJob(id=job.id, name=job.name, scheduled_time=job.scheduled_time) for job in jobs]
