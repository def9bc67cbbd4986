"""Handlers that misbehave in every way we could think of."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from pathlib import Path

from sqlalchemy import insert, text
from sqlalchemy.exc import IntegrityError, OperationalError

from convexpy import ActionCtx, MutationCtx, SyncActionCtx, internal_action, internal_mutation, mutation

from .models import Effect, Owned, Unique
from .outside import gates, record
from .work import pay

LONG_STATEMENT = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


@mutation
def plan(ctx: MutationCtx, function: str, label: str, good: int = 0) -> str:
    """Schedule a bad job and, behind it, good ones."""
    job_id: str = ctx.schedule.now(function, label=label)  # type: ignore[arg-type]
    for n in range(good):
        ctx.schedule.now(pay, label=f"{label}/good{n}")
    return job_id


def leave_mark(ctx: MutationCtx, label: str) -> None:
    """Something that must be gone when the handler fails."""
    ctx.db.add(Effect(label=label, job=ctx.job and ctx.job.id, pid=os.getpid()))
    ctx.schedule.now(pay, label=f"{label}/child")
    ctx.db.flush()


@internal_mutation
def raises(ctx: MutationCtx, label: str) -> None:
    leave_mark(ctx, label)
    raise ValueError("on purpose")


@internal_mutation
def loops(ctx: MutationCtx, label: str) -> None:
    leave_mark(ctx, label)
    while True:
        pass


@internal_mutation
def loops_and_swallows(ctx: MutationCtx, label: str) -> None:
    leave_mark(ctx, label)
    while True:
        with contextlib.suppress(BaseException):
            while True:
                time.sleep(0.001)


@internal_mutation
def sleeps(ctx: MutationCtx, label: str) -> None:
    leave_mark(ctx, label)
    record("hold", label)
    time.sleep(3600)


@internal_mutation
def runs_a_long_statement(ctx: MutationCtx, label: str) -> None:
    leave_mark(ctx, label)
    ctx.db.execute(text(LONG_STATEMENT))


@internal_mutation
def returns_the_wrong_type(ctx: MutationCtx, label: str) -> int:
    leave_mark(ctx, label)
    return "a text"  # type: ignore[return-value]


@internal_mutation
def exits(ctx: MutationCtx, label: str) -> None:
    leave_mark(ctx, label)
    raise SystemExit(3)


@internal_mutation
def interrupts(ctx: MutationCtx, label: str) -> None:
    leave_mark(ctx, label)
    raise KeyboardInterrupt


@internal_mutation
def stops_iterating(ctx: MutationCtx, label: str) -> None:
    leave_mark(ctx, label)
    next(iter(()))


@internal_mutation
def recurses(ctx: MutationCtx, label: str) -> None:
    leave_mark(ctx, label)
    recurses(ctx, label)


@internal_mutation
def commits(ctx: MutationCtx, label: str) -> None:
    leave_mark(ctx, label)
    with contextlib.suppress(Exception):
        ctx.db.commit()
    with contextlib.suppress(Exception):
        ctx.db.execute(text("COMMIT"))
    raise ValueError("nothing of this may stay")


@internal_mutation
def breaks_a_promise_that_commit_checks(ctx: MutationCtx, label: str) -> None:
    leave_mark(ctx, label)
    ctx.db.add(Owned(name=label, owner="nobody"))


@internal_mutation
def kills_its_process(ctx: MutationCtx, label: str) -> None:
    """Until a file says that it is cured."""
    ctx.db.add(Effect(label=label, job=ctx.job and ctx.job.id, pid=os.getpid()))
    ctx.db.flush()
    if not Path(os.environ["FAULTS_CURE"]).exists():
        os._exit(3)


@internal_mutation
def swallows_a_failed_flush(ctx: MutationCtx, label: str) -> None:
    leave_mark(ctx, label)
    for _ in range(2):
        ctx.db.add(Unique(name=label))
        with contextlib.suppress(Exception):
            ctx.db.flush()


@internal_mutation
def swallows_a_failed_statement(ctx: MutationCtx, label: str) -> None:
    leave_mark(ctx, label)
    ctx.db.execute(insert(Unique).values(name=label))
    with contextlib.suppress(IntegrityError):
        ctx.db.execute(insert(Unique).values(name=label))


@internal_mutation
def fails_in_a_savepoint(ctx: MutationCtx, label: str) -> None:
    """How it is done: what fails undoes its part, and the rest is an ordinary success."""
    ctx.db.add(Effect(label=label, job=ctx.job and ctx.job.id, pid=os.getpid()))
    ctx.db.execute(insert(Unique).values(name=label))
    with contextlib.suppress(IntegrityError), ctx.db.begin_nested():
        ctx.db.add(Effect(label=f"{label}/undone", job=None, pid=os.getpid()))
        ctx.db.flush()
        ctx.db.execute(insert(Unique).values(name=label))


@internal_mutation
def swallows_a_full_database(ctx: MutationCtx, label: str) -> None:
    """The first time there is no page left. Writes before the error are gone, and writes after it must not stay."""
    ctx.db.add(Effect(label=label, job=ctx.job and ctx.job.id, pid=os.getpid()))
    ctx.db.flush()
    if ctx.job is not None and ctx.job.attempt == 1:
        pages = ctx.db.execute(text("PRAGMA page_count")).scalar()
        ctx.db.execute(text(f"PRAGMA max_page_count = {pages}"))
        with contextlib.suppress(OperationalError):
            ctx.db.execute(insert(Unique).values(name=label + "x" * 100_000))
        with contextlib.suppress(Exception):
            ctx.db.execute(insert(Unique).values(name=label))


@internal_mutation
def fills_the_disk(ctx: MutationCtx, label: str) -> None:
    """It writes until it is stopped or cured."""
    ctx.db.add(Effect(label=label, job=ctx.job and ctx.job.id, pid=os.getpid()))
    n = 0
    while not Path(os.environ["FAULTS_CURE"]).exists():
        n += 1
        ctx.db.execute(insert(Unique).values(name=f"{label}{n}" + "x" * 100_000))


@internal_mutation
def makes_its_connection_read_only(ctx: MutationCtx, label: str) -> None:
    """And leaves it so, the first time."""
    ctx.db.add(Effect(label=label, job=ctx.job and ctx.job.id, pid=os.getpid()))
    ctx.db.flush()
    if ctx.job is not None and ctx.job.attempt == 1:
        ctx.db.execute(text("PRAGMA query_only = ON"))


@internal_action
async def action_raises(ctx: ActionCtx, label: str) -> None:
    record("start", str(ctx.job and ctx.job.id))
    raise ValueError("on purpose")


@internal_action
async def action_exits(ctx: ActionCtx, label: str) -> None:
    record("start", str(ctx.job and ctx.job.id))
    raise SystemExit(3)


@internal_action
async def action_exits_in_a_task(ctx: ActionCtx, label: str) -> None:
    """Such an exception ends asyncio's event loop, which others need."""
    record("start", str(ctx.job and ctx.job.id))

    async def leave() -> None:
        raise SystemExit(3)

    await asyncio.gather(leave())


@internal_action
async def action_cancels_itself(ctx: ActionCtx, label: str) -> None:
    record("start", str(ctx.job and ctx.job.id))
    raise asyncio.CancelledError


@internal_action
def sync_action_exits(ctx: SyncActionCtx, label: str) -> None:
    record("start", str(ctx.job and ctx.job.id))
    raise SystemExit(3)


@internal_action
def sync_action_stops_iterating(ctx: SyncActionCtx, label: str) -> None:
    """``next()`` on something empty: asyncio cannot carry a StopIteration over."""
    record("start", str(ctx.job and ctx.job.id))
    next(iter(()))


@internal_action
async def action_returns_the_wrong_type(ctx: ActionCtx, label: str) -> int:
    record("start", str(ctx.job and ctx.job.id))
    return "a text"  # type: ignore[return-value]


@internal_action
async def action_ignores_its_cancellation(ctx: ActionCtx, label: str) -> None:
    record("start", str(ctx.job and ctx.job.id))
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)


@internal_action
async def action_blocks_the_event_loop(ctx: ActionCtx, label: str) -> None:
    record("start", str(ctx.job and ctx.job.id))
    time.sleep(3600)


@internal_action
async def action_blocks_the_event_loop_at_a_gate(ctx: ActionCtx, label: str) -> None:
    record("start", str(ctx.job and ctx.job.id))
    gates["gate"].wait()


@internal_action
async def action_kills_its_process(ctx: ActionCtx, label: str) -> None:
    record("start", str(ctx.job and ctx.job.id))
    os._exit(3)
