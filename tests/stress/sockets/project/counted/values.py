"""What takes any value, for clients that send nonsense."""

from pydantic import BaseModel, JsonValue

from convexpy import ActionCtx, Int64, MutationCtx, QueryCtx, action, mutation, query


class Everything(BaseModel):
    text: str = ""
    number: float = 0.0
    big: Int64 = Int64(0)
    raw: bytes = b""
    flags: list[bool] = []
    nested: dict[str, float] = {}


@query
def echo(ctx: QueryCtx, value: JsonValue) -> JsonValue:
    return value


@query
def typed(ctx: QueryCtx, value: Everything) -> Everything:
    return value


@mutation
def take(ctx: MutationCtx, value: JsonValue) -> int:
    return len(str(value))


@action
async def pass_on(ctx: ActionCtx, value: JsonValue) -> JsonValue:
    return value
