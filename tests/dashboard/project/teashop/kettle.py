"""A kettle: an action that takes as long as somebody wants."""

from __future__ import annotations

import asyncio

from convexpy import ActionCtx, JobId, MutationCtx, QueryCtx, action, internal_query, mutation

from .models import Kettle


@action
async def boil(ctx: ActionCtx, name: str) -> str:
    """Boil water until the kettle is lifted."""
    while not await ctx.run_query(is_lifted, name=name):
        await asyncio.sleep(0.05)
    return f"{name} is hot"


@internal_query
def is_lifted(ctx: QueryCtx, name: str) -> bool:
    """Whether a kettle was lifted."""
    kettle = ctx.db.get(Kettle, name)
    return kettle is not None and kettle.is_lifted


@mutation
def put_on(ctx: MutationCtx, name: str) -> JobId:
    """Let a kettle boil, right after the commit."""
    ctx.db.merge(Kettle(name=name, is_lifted=False))
    return ctx.schedule.now(boil, name=name)


@mutation
def lift(ctx: MutationCtx, name: str) -> None:
    """Lift a kettle."""
    ctx.db.merge(Kettle(name=name, is_lifted=True))
