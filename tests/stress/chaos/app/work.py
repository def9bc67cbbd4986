"""The calls of the clients, and the jobs they become."""

from __future__ import annotations

from sqlalchemy import insert, text

from convexpy import (
    ActionCtx,
    JobId,
    MutationCtx,
    QueryCtx,
    SyncActionCtx,
    internal_action,
    internal_mutation,
    mutation,
    query,
)

from .money import leave_crossed_effect, leave_effect, leave_hot_effect
from .outside import record
from .tables import markers

SPREAD_MILLISECONDS = 3


@mutation
def direct(ctx: MutationCtx, call: str) -> None:
    leave_effect(ctx, call)


@mutation
def hot(ctx: MutationCtx, call: str) -> None:
    leave_hot_effect(ctx, call)


@mutation
def cross(ctx: MutationCtx, call: str, giver: int, taker: int) -> None:
    leave_crossed_effect(ctx, call, giver, taker)


@mutation
def plan(ctx: MutationCtx, call: str, kind: str, due: float) -> JobId:
    """Schedule one job at a time in Unix seconds, and leave a mark beside it."""
    when = due * 1000.0
    job_id: JobId
    if kind == "action":
        job_id = ctx.schedule.at(when, send, call=call)
    else:
        job_id = ctx.schedule.at(when, pay, call=call)
    ctx.db.execute(insert(markers).values(call=call, job=job_id))
    return job_id


@mutation
def fan_out(ctx: MutationCtx, call: str, children: int, grandchildren: int = 0, hot_ones: int = 0) -> None:
    """Leave an effect and schedule children, some of them actions, a few of them with children of their own."""
    leave_effect(ctx, call)
    for n in range(children):
        child, delay = f"{call}/{n}", n * SPREAD_MILLISECONDS
        if n < hot_ones:
            ctx.schedule.after(delay, pay_hot, call=child)
        elif n % 10 == 3:
            ctx.schedule.after(delay, send, call=child, children=min(grandchildren, 1))
        elif n % 20 == 7:
            ctx.schedule.after(delay, send_sync, call=child)
        else:
            ctx.schedule.after(delay, pay, call=child, children=grandchildren if n % 10 == 0 else 0)


@mutation
def cancel(ctx: MutationCtx, job: JobId) -> str:
    """Cancel a job. Whether it was in time."""
    known = ctx.system.get(job)
    if known is None or known.state.kind not in ("pending", "inProgress"):
        return "too late"
    ctx.schedule.cancel(job)
    return "canceled"


@internal_mutation
def pay(ctx: MutationCtx, call: str, children: int = 0) -> None:
    leave_effect(ctx, call)
    for n in range(children):
        ctx.schedule.now(pay, call=f"{call}/{n}")


@internal_mutation
def pay_hot(ctx: MutationCtx, call: str, children: int = 0) -> None:
    leave_hot_effect(ctx, call)


@internal_mutation
def tick(ctx: MutationCtx, call: str, children: int = 0) -> None:
    """What the crons run."""
    leave_effect(ctx, call)


@internal_mutation
def note(ctx: MutationCtx, call: str) -> None:
    """What an action writes in a transaction of its own."""
    leave_effect(ctx, call)


@internal_action
async def send(ctx: ActionCtx, call: str, children: int = 0) -> None:
    record("start", call, ctx.job)
    for n in range(children):
        await ctx.schedule.now(pay, call=f"{call}/{n}")
    await ctx.run_mutation(note, call=call)
    record("end", call, ctx.job)


@internal_action
def send_sync(ctx: SyncActionCtx, call: str, children: int = 0) -> None:
    record("start", call, ctx.job)
    ctx.run_mutation(note, call=call)
    record("end", call, ctx.job)


@query
def backlog(ctx: QueryCtx) -> int:
    """How many jobs are not over."""
    return int(ctx.db.execute(text("SELECT count(*) FROM _convexpy_queue")).scalar_one())
