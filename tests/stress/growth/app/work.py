"""The functions of the app."""

from __future__ import annotations

from datetime import timedelta

from bench.starts import starts

from convexpy import JobId, MutationCtx, QueryCtx, SyncActionCtx, internal_action, internal_mutation, mutation, query


@internal_mutation
def count(ctx: MutationCtx) -> None:
    """One more, which is measured without the database."""
    starts.job()


@internal_action
def tick(ctx: SyncActionCtx) -> None:
    """What the cron runs: an action, which does not wait for mutations."""


@mutation
def place(ctx: MutationCtx) -> JobId:
    """Schedule a job for much later."""
    return ctx.schedule.after(timedelta(hours=1), tick)


@query
def status(ctx: QueryCtx, job_id: JobId) -> str:
    """The state of a job."""
    job = ctx.system.get(job_id)
    return "purged" if job is None else job.state.kind


@mutation
def cancel(ctx: MutationCtx, job_id: JobId) -> None:
    """Cancel a job."""
    ctx.schedule.cancel(job_id)


@mutation
def act(ctx: MutationCtx) -> JobId:
    """Schedule an action for now."""
    return ctx.schedule.now(tick)


@query
def seconds(ctx: QueryCtx, job_id: JobId) -> float:
    """How long after its time a job was over."""
    job = ctx.system.get(job_id)
    assert job is not None
    assert job.completed_time is not None
    return (job.completed_time - job.scheduled_time).total_seconds()


@query
def lateness(ctx: QueryCtx) -> float | None:
    """How many seconds after its time the latest tick was over."""
    for job in ctx.system.scheduled_functions(cron="tick", state="success", limit=1):
        return seconds(ctx, job.id)
    return None


@query
def left(ctx: QueryCtx) -> bool:
    """Whether any job that counts has not run."""
    return any(
        ctx.system.scheduled_functions(name="work:count", state=state, limit=1) for state in ("pending", "inProgress")
    )


@query
def failures(ctx: QueryCtx) -> list[str]:
    """The jobs that have failed."""
    return [f"{job.id}: {job.state_error}" for job in ctx.system.scheduled_functions(state="failed", limit=10)]
