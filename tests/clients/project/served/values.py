"""Values of every type, there and back."""

from datetime import datetime

from pydantic import BaseModel

from convexpy import ActionCtx, Int64, QueryCtx, action, query


class Everything(BaseModel):
    text: str
    number: float
    whole: int
    big: Int64
    raw: bytes
    nothing: None
    flags: list[bool]
    nested: dict[str, float]
    at: datetime


@query
def echo(ctx: QueryCtx, value: Everything) -> Everything:
    return value


@action
async def echo_action(ctx: ActionCtx, value: Everything) -> Everything:
    return value


@query
def large(ctx: QueryCtx, letters: int) -> str:
    return "x" * letters


@query
def who(ctx: QueryCtx) -> str | None:
    return ctx.identity.subject if ctx.identity else None
