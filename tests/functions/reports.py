"""The functions of an app that its crons run, and one that is none of the app's."""

from __future__ import annotations

from typing import Any

from convexpy.functions.builders import ActionBuilder, MutationBuilder, QueryBuilder

mutation: MutationBuilder[Any] = MutationBuilder()
action: ActionBuilder[Any, Any] = ActionBuilder()
query: QueryBuilder[Any] = QueryBuilder()


@mutation
def tidy(ctx: Any) -> None: ...


@mutation.internal(aliases=["reports:old_send"])
def send(ctx: Any, to: str, copies: int = 1) -> None: ...


@action
async def sync(ctx: Any) -> None: ...


@query
def count(ctx: Any) -> int:
    return 0


@mutation
def stranger(ctx: Any) -> None: ...


@mutation
def awkward(ctx: Any, name: str, hour: int) -> None: ...
