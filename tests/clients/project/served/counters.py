"""Counters: what shows whether a mutation ran once."""

from sqlalchemy import select

from convexpy import ActionCtx, ConvexError, MutationCtx, QueryCtx, action, internal_mutation, mutation, query

from .models import Counter


@query
def get(ctx: QueryCtx, name: str) -> int:
    return ctx.db.scalar(select(Counter.value).where(Counter.name == name)) or 0


@mutation
def add(ctx: MutationCtx, name: str, amount: int = 1) -> int:
    counter = ctx.db.get(Counter, name)
    if counter is None:
        counter = Counter(name=name, value=0)
        ctx.db.add(counter)
    counter.value += amount
    return counter.value


@mutation
def refuse(ctx: MutationCtx, name: str) -> None:
    add(ctx, name=name)
    raise ConvexError("CONFLICT", "refused", {"name": name})


@mutation
def crash(ctx: MutationCtx, name: str) -> None:
    add(ctx, name=name)
    raise RuntimeError("a secret of the server")


@internal_mutation
def hidden(ctx: MutationCtx) -> None:
    pass


@action
async def add_twice(ctx: ActionCtx, name: str) -> int:
    await ctx.run_mutation(add, name=name)
    return await ctx.run_mutation(add, name=name)
