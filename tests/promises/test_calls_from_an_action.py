"""What an action may call, each call a transaction of its own: its row in the table of the documentation.

============ ======== ============= ============= ============
from         db       run_query     run_mutation  run_action
============ ======== ============= ============= ============
an action    –        own tx        own tx        yes
============ ======== ============= ============= ============

F3           the row
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from app.models import Note
from sqlalchemy import select

from convexpy import (
    ActionCtx,
    CallNotAllowed,
    ConvexError,
    MutationCtx,
    QueryCtx,
    SyncActionCtx,
    action,
    mutation,
    query,
)
from convexpy.testing import ConvexTest

promise = pytest.mark.promise
seen: list[Any] = []
outside: list[ConvexTest] = []


@pytest.fixture(autouse=True)
def from_outside(convex: ConvexTest) -> None:
    """Handlers may look at the database from outside of their own transaction, as another client would."""
    seen.clear()
    outside[:] = [convex]


@query
def texts(ctx: QueryCtx) -> list[str]:
    return list(ctx.db.scalars(select(Note.text).order_by(Note.id)))


@mutation
def write(ctx: MutationCtx, text: str) -> int:
    note = Note(text=text)
    ctx.db.add(note)
    ctx.db.flush()
    return note.id


@mutation
def write_and_raise(ctx: MutationCtx, text: str) -> None:
    write(ctx, text)
    raise ConvexError("CONFLICT", "inner", {"why": text})


@action
async def greet(ctx: ActionCtx, name: str) -> str:
    return f"hello {name}"


@action
def greet_plainly(ctx: SyncActionCtx, name: str) -> str:
    return f"good day {name}"


@action
async def write_read_and_fail(ctx: ActionCtx) -> None:
    await ctx.run_mutation(write, text="kept")
    seen.append(await ctx.run_query(texts))
    outside[0].run(write, text="meanwhile")
    seen.append(await ctx.run_query(texts))
    raise ValueError("later")


@action
def write_read_and_fail_plainly(ctx: SyncActionCtx) -> None:
    ctx.run_mutation(write, text="kept")
    seen.append(ctx.run_query(texts))
    outside[0].run(write, text="meanwhile")
    seen.append(ctx.run_query(texts))
    raise ValueError("later")


@promise("F3")
@pytest.mark.parametrize("function", [write_read_and_fail, write_read_and_fail_plainly], ids=["async", "def"])
def test_every_call_of_an_action_is_its_own_transaction(convex: ConvexTest, function: Any) -> None:
    with pytest.raises(ValueError, match="later"):
        convex.run(function)
    assert seen == [["kept"], ["kept", "meanwhile"]]
    assert convex.run(texts) == ["kept", "meanwhile"]


@action
async def call_both_colours(ctx: ActionCtx) -> list[str]:
    return [await ctx.run_action(greet, name="a"), await ctx.run_action(greet_plainly, name="b")]


@action
def call_both_colours_plainly(ctx: SyncActionCtx) -> list[str]:
    return [ctx.run_action(greet, name="a"), ctx.run_action(greet_plainly, name="b")]


@promise("F3")
@pytest.mark.parametrize("function", [call_both_colours, call_both_colours_plainly], ids=["async", "def"])
def test_an_action_calls_actions_of_both_colours(convex: ConvexTest, function: Any) -> None:
    assert convex.run(function) == ["hello a", "good day b"]
    assert convex.jobs() == []


@action
async def write_at_the_same_time(ctx: ActionCtx) -> int:
    await asyncio.gather(*(ctx.run_mutation(write, text=str(n)) for n in range(20)))
    return len(await ctx.run_query(texts))


@promise("F3")
def test_an_async_action_may_call_many_mutations_at_the_same_time(convex: ConvexTest) -> None:
    assert convex.run(write_at_the_same_time) == 20


@action
async def catch_an_error(ctx: ActionCtx) -> None:
    for call in (ctx.run_mutation(write_and_raise, text="undone"), ctx.run_action(fail_outside)):
        try:
            await call
        except ConvexError as error:
            seen.append((error.code, error.message, error.data))


@action
async def fail_outside(ctx: ActionCtx) -> None:
    raise ConvexError("BAD_GATEWAY", "the outside world", [1])


@promise("F3")
def test_an_error_keeps_its_code_message_and_data_on_its_way_through_calls(convex: ConvexTest) -> None:
    convex.run(catch_an_error)
    assert seen == [("CONFLICT", "inner", {"why": "undone"}), ("BAD_GATEWAY", "the outside world", [1])]
    assert convex.run(texts) == []


@action
async def reach_for_db(ctx: Any) -> None:
    ctx.db.add(Note(text="never"))


@action
async def confuse_kinds(ctx: Any, how: str) -> None:
    await (ctx.run_query(greet, name="x") if how == "run_query" else ctx.run_mutation(texts))


@promise("F3")
def test_an_action_has_no_db_and_may_not_confuse_the_kinds(convex: ConvexTest) -> None:
    with pytest.raises(CallNotAllowed, match="An action has no transaction"):
        convex.run(reach_for_db)
    for how in ("run_query", "run_mutation"):
        with pytest.raises(CallNotAllowed, match=f"{how} calls a"):
            convex.run(confuse_kinds, how=how)
