"""Transactions that append to lists and read them: what they read decides whether the history was serializable."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import func, insert, select, text

from convexpy import JobId, MutationCtx, internal_mutation, mutation

from .money import pause
from .tables import answers, items, lists

# ``("a", key, value)`` appends, ``("r", key, None)`` reads. Keys that begin with ``r`` are ranges of rows.
Step = tuple[str, str, int | None]
ONE_ROW = text(
    "INSERT INTO lists (key, entries) VALUES (:key, :value) "
    "ON CONFLICT (key) DO UPDATE SET entries = lists.entries || ',' || excluded.entries"
)


@mutation
def append(ctx: MutationCtx, steps: list[Step], seconds: float = 0.0) -> list[list[int]]:
    """Run the steps in one transaction, open for so many seconds at least. What each read found, in order."""
    return run_steps(ctx, steps, seconds)


@mutation
def append_later(ctx: MutationCtx, call: str, steps: list[Step], then: list[Step]) -> JobId:
    """Run the steps as a job, and others as a job of that job."""
    return ctx.schedule.now(append_job, call=call, steps=steps, then=then, children=1 if then else 0)


@internal_mutation
def append_job(
    ctx: MutationCtx, call: str, steps: list[Step], then: list[Step], children: int = 0, effects: int = 0
) -> None:
    found = run_steps(ctx, steps)
    ctx.db.execute(insert(answers).values(id=call, reads=json.dumps(found)))
    if then:
        ctx.schedule.now(append_job, call=f"{call}/0", steps=then, then=[])


def run_steps(ctx: MutationCtx, steps: list[Step], seconds: float = 0.0) -> list[list[int]]:
    found = []
    for n, (what, key, value) in enumerate(steps):
        if what == "r":
            found.append(read(ctx, key))
        elif key.startswith("r"):
            append_row(ctx, key, value)
        else:
            ctx.db.execute(ONE_ROW, {"key": key, "value": str(value)})
        if n == 0 and seconds:
            pause(ctx, seconds)
    return found


def read(ctx: MutationCtx, key: str) -> list[int]:
    if key.startswith("r"):
        rows = select(items.c.value).where(items.c.key == key).order_by(items.c.position)
        return list(ctx.db.execute(rows).scalars())
    stored: Any = ctx.db.execute(select(lists.c.entries).where(lists.c.key == key)).scalar()
    return [int(entry) for entry in stored.split(",")] if stored else []


def append_row(ctx: MutationCtx, key: str, value: int | None) -> None:
    last = ctx.db.execute(select(func.max(items.c.position)).where(items.c.key == key)).scalar()
    ctx.db.execute(insert(items).values(key=key, position=(last or 0) + 1, value=value))
