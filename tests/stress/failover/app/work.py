"""A direct mutation that schedules others and actions."""

from __future__ import annotations

import os
import time

from sqlalchemy import func, select

from convexpy import MutationCtx, QueryCtx, SyncActionCtx, internal_action, internal_mutation, mutation, query

from .models import Effect


@query
def effects(ctx: QueryCtx) -> int:
    return ctx.db.scalar(select(func.count()).select_from(Effect)) or 0


@mutation
def order(ctx: MutationCtx, label: str, pays: int, sends: int) -> int:
    """Leave a mark, and schedule so many mutations and actions with it."""
    ctx.db.add(Effect(label=label, job=None, pid=os.getpid()))
    for n in range(pays):
        ctx.schedule.now(pay, label=f"{label}/pay{n}")
    for n in range(sends):
        ctx.schedule.now(send, label=f"{label}/send{n}")
    return pays + sends


@internal_mutation
def pay(ctx: MutationCtx, label: str) -> None:
    ctx.db.add(Effect(label=label, job=ctx.job and ctx.job.id, pid=os.getpid()))


@internal_action
def send(ctx: SyncActionCtx, label: str) -> None:
    record("start", str(ctx.job and ctx.job.id))
    time.sleep(0.05)  # the outside world takes its time
    ctx.run_mutation(pay, label=label)
    record("end", str(ctx.job and ctx.job.id))


def record(what: str, job: str) -> None:
    """A line outside of the database, which no failover takes back."""
    descriptor = os.open(os.environ["CONVEXPY_TEST_JOURNAL"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, f"{what} {job}\n".encode())
    finally:
        os.close(descriptor)
