"""Honest work: a direct mutation that schedules jobs, mutations with an effect and children, actions with a journal."""

from __future__ import annotations

import os

from convexpy import ActionCtx, MutationCtx, SyncActionCtx, internal_action, internal_mutation, mutation

from .models import Effect
from .outside import gates, reach, record


@mutation
def order(
    ctx: MutationCtx,
    label: str,
    pays: int = 0,
    sends: int = 0,
    children: int = 0,
    sync: bool = False,
    delay: float = 0,
) -> int:
    """Leave a mark, and schedule so many mutations and actions with it, ``delay`` milliseconds from now."""
    ctx.db.add(Effect(label=label, job=None, pid=os.getpid()))
    for n in range(pays):
        ctx.schedule.after(delay, pay, label=f"{label}/pay{n}", children=children)
    for n in range(sends):
        if sync:
            ctx.schedule.after(delay, send_sync, label=f"{label}/send{n}", children=children)
        else:
            ctx.schedule.after(delay, send, label=f"{label}/send{n}", children=children)
    return pays + sends


@internal_mutation
def pay(ctx: MutationCtx, label: str, children: int = 0) -> None:
    reach("first line", label)
    ctx.db.add(Effect(label=label, job=ctx.job and ctx.job.id, pid=os.getpid()))
    ctx.db.flush()
    for n in range(children):
        ctx.schedule.now(pay, label=f"{label}.{n}")
    reach("inside", label)


@internal_mutation
def tick(ctx: MutationCtx, label: str) -> None:
    """What the cron runs."""
    ctx.db.add(Effect(label=label, job=ctx.job and ctx.job.id, pid=os.getpid()))
    reach("tick", label)


@internal_mutation
def note(ctx: MutationCtx, label: str) -> None:
    """What an action writes down in a transaction of its own."""
    ctx.db.add(Effect(label=label, job=ctx.job and ctx.job.id, pid=os.getpid()))
    reach("note", label)


@internal_action
async def send(ctx: ActionCtx, label: str, children: int = 0) -> None:
    reach("first line", label)
    record("start", str(ctx.job and ctx.job.id))
    reach("inside", label)
    for n in range(children):
        await ctx.schedule.now(pay, label=f"{label}.{n}")
    await ctx.run_mutation(note, label=label)
    record("end", str(ctx.job and ctx.job.id))


@internal_action
def send_sync(ctx: SyncActionCtx, label: str, children: int = 0) -> None:
    reach("first line", label)
    record("start", str(ctx.job and ctx.job.id))
    reach("inside", label)
    for n in range(children):
        ctx.schedule.now(pay, label=f"{label}.{n}")
    ctx.run_mutation(note, label=label)
    record("end", str(ctx.job and ctx.job.id))


@mutation
def order_held(
    ctx: MutationCtx,
    label: str,
    gate: str,
    holds: int = 0,
    pays: int = 0,
    sends: int = 0,
    sync: bool = False,
    first: str | None = None,
    last: str | None = None,
    children: int = 0,
) -> int:
    """Schedule mutations that wait at a gate, others behind them, and actions that wait at the gate too."""
    ctx.db.add(Effect(label=label, job=None, pid=os.getpid()))
    for n in range(holds):
        ctx.schedule.now(pay_held, label=f"{label}/hold{n}", gate=gate)
    if first is not None:
        ctx.schedule.now(first, label=f"{label}/first")  # type: ignore[arg-type]
    for n in range(pays):
        ctx.schedule.now(pay, label=f"{label}/pay{n}", children=children)
    if last is not None:
        ctx.schedule.now(last, label=f"{label}/last")  # type: ignore[arg-type]
    for n in range(sends):
        if sync:
            ctx.schedule.now(send_held_sync, label=f"{label}/send{n}", gate=gate)
        else:
            ctx.schedule.now(send_held, label=f"{label}/send{n}", gate=gate)
    return holds + pays + sends + bool(first) + bool(last)


@internal_mutation
def pay_held(ctx: MutationCtx, label: str, gate: str) -> None:
    ctx.db.add(Effect(label=label, job=ctx.job and ctx.job.id, pid=os.getpid()))
    ctx.db.flush()
    record("hold", str(ctx.job and ctx.job.id))
    gates[gate].wait()


@internal_action
async def send_held(ctx: ActionCtx, label: str, gate: str) -> None:
    record("start", str(ctx.job and ctx.job.id))
    await gates[gate].wait_async()
    await ctx.run_mutation(note, label=label)
    record("end", str(ctx.job and ctx.job.id))


@internal_action
def send_held_sync(ctx: SyncActionCtx, label: str, gate: str) -> None:
    record("start", str(ctx.job and ctx.job.id))
    gates[gate].wait()
    ctx.run_mutation(note, label=label)
    record("end", str(ctx.job and ctx.job.id))
