"""The functions."""

from typing import Annotated

from pydantic import Field
from sqlalchemy import select

from convexpy import ActionCtx, ConvexError, MutationCtx, QueryCtx, action, internal_mutation, mutation, query

from .models import Act, Entry, One, Other

RECENT = 10
Key = Annotated[int, Field(ge=0, lt=8)]
Token = Annotated[str, Field(pattern="^[a-z0-9-]{1,40}$")]
Letters = Annotated[int, Field(ge=0, le=6_000_000)]


def caller_of(ctx: QueryCtx) -> str:
    return ctx.identity.token_identifier if ctx.identity else ""


def count(ctx: MutationCtx, key: Key, token: Token) -> int:
    one, other = ctx.db.get_one(One, key), ctx.db.get_one(Other, key)
    one.n += 1
    other.n += 1
    ctx.db.add(Entry(key=key, n=one.n, token=token, caller=caller_of(ctx)))
    return one.n


@query
def one(ctx: QueryCtx, key: Key) -> int:
    return ctx.db.get_one(One, key).n


@query
def other(ctx: QueryCtx, key: Key) -> int:
    return ctx.db.get_one(Other, key).n


@query
def recent(ctx: QueryCtx, key: Key) -> list[str]:
    newest = select(Entry.n, Entry.token).where(Entry.key == key).order_by(Entry.n.desc()).limit(RECENT)
    return [f"{row.n}:{row.token}" for row in ctx.db.execute(newest)]


@query
def large(ctx: QueryCtx, key: Key, letters: Letters) -> str:
    return f"{ctx.db.get_one(One, key).n}:" + "x" * letters


@query
def who(ctx: QueryCtx) -> str:
    return caller_of(ctx)


@query
def broken(ctx: QueryCtx) -> int:
    raise RuntimeError("planted: a query")


@mutation
def add(ctx: MutationCtx, key: Key, token: Token) -> int:
    return count(ctx, key, token)


@mutation
def add_and_fail(ctx: MutationCtx, key: Key, token: Token) -> int:
    count(ctx, key, token)
    raise ConvexError("CONFLICT", "on purpose")


@mutation
def crash(ctx: MutationCtx, key: Key, token: Token) -> int:
    count(ctx, key, token)
    raise RuntimeError("planted: a mutation")


@internal_mutation
def note(ctx: MutationCtx, token: Token) -> None:
    ctx.db.add(Act(token=token))


@action
async def act(ctx: ActionCtx, token: Token) -> str:
    await ctx.run_mutation(note, token=token)
    return token
