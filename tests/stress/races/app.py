"""The functions of the races: a mutation and an action that leave a trace, scheduled one at a time."""

from __future__ import annotations

from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from convexpy import ActionCtx, JobId, JobIdType, MutationCtx, internal_action, internal_mutation, mutation


class Base(DeclarativeBase):
    """The app's tables."""


class Effect(Base):
    """What a run leaves behind. Nothing keeps it from being there twice."""

    __tablename__ = "effects"
    id: Mapped[int] = mapped_column(primary_key=True)
    job: Mapped[JobId] = mapped_column(JobIdType, index=True)


@internal_mutation
def work(ctx: MutationCtx) -> None:
    assert ctx.job is not None
    ctx.db.add(Effect(job=ctx.job.id))


@internal_mutation
def note(ctx: MutationCtx, job: JobId) -> None:
    ctx.db.add(Effect(job=job))


@internal_action
async def act(ctx: ActionCtx) -> None:
    assert ctx.job is not None
    await ctx.run_mutation(note, job=ctx.job.id)


@mutation
def schedule(ctx: MutationCtx, kind: str) -> JobId:
    return ctx.schedule.now(work) if kind == "mutation" else ctx.schedule.now(act)


@mutation
def cancel(ctx: MutationCtx, job_id: JobId) -> str:
    """Cancel from within a transaction. What it was before."""
    found = ctx.system.get(job_id)
    ctx.schedule.cancel(job_id)
    return found.state.kind if found else "unknown"
