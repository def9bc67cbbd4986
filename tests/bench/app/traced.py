"""The calls that ``tests.bench.trace`` follows: one function of each kind. Those that schedule write a row as well."""

from __future__ import annotations

from datetime import timedelta

from convexpy import ActionCtx, MutationCtx, QueryCtx, action, mutation, query

from .models import Entry

DELAY = timedelta(milliseconds=50)


@query
def read(ctx: QueryCtx) -> int:
    entry = ctx.db.get(Entry, 1)
    return entry.job if entry else 0


@mutation
def insert(ctx: MutationCtx) -> None:
    ctx.db.add(Entry(job=1, note="x"))


@action
async def act(ctx: ActionCtx) -> None:
    """The least that an action can do."""


@mutation
def insert_now(ctx: MutationCtx) -> None:
    ctx.db.add(Entry(job=1, note="x"))
    ctx.schedule.now(insert)


@mutation
def insert_after(ctx: MutationCtx) -> None:
    ctx.db.add(Entry(job=1, note="x"))
    ctx.schedule.after(DELAY, insert)


@mutation
def act_now(ctx: MutationCtx) -> None:
    ctx.db.add(Entry(job=1, note="x"))
    ctx.schedule.now(act)
