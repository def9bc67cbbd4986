"""Who may call what in a transaction: the rows of a query and of a mutation in the table of the documentation.

============ ======== ============= ==================== ==========
from         db       run_query     run_mutation         run_action
============ ======== ============= ==================== ==========
a query      reads    same snapshot –                    –
a mutation   writes   same tx       nested (savepoint)   –
============ ======== ============= ==================== ==========

F1 F2        the two rows
S9           test_a_nested_mutation_that_raises_undoes_only_itself
"""

from __future__ import annotations

from typing import Any

import pytest
from app.models import Note
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from convexpy import (
    ActionCtx,
    CallNotAllowed,
    ConvexError,
    MutationCtx,
    QueryCtx,
    ReadOnlyError,
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


# ---------------------------------------------------------------------------------------------- a query


@query
def read_while_another_writes(ctx: QueryCtx) -> tuple[list[str], list[str]]:
    before = texts(ctx)
    outside[0].run(write, text="from outside")
    return before, ctx.run_query(texts)


@promise("F1")
def test_a_query_calls_queries_on_its_own_snapshot(convex: ConvexTest) -> None:
    assert convex.run(read_while_another_writes) == ([], [])
    assert convex.run(texts) == ["from outside"]


@query
def reach_too_far(ctx: Any, what: str) -> None:
    if what == "run_mutation":
        ctx.run_mutation(write, text="never")
    elif what == "run_action":
        ctx.run_action(greet, name="never")
    elif what == "schedule":
        ctx.schedule.now(write, text="never")
    elif what == "run_query(mutation)":
        ctx.run_query(write, text="never")
    else:
        ctx.run_query(greet, name="never")


@promise("F1")
@pytest.mark.parametrize("what", ["run_mutation", "run_action", "schedule", "run_query(mutation)", "run_query(action)"])
def test_a_query_calls_nothing_but_queries(convex: ConvexTest, what: str) -> None:
    with pytest.raises(CallNotAllowed) as refused:
        convex.run(reach_too_far, what=what)
    assert refused.value.code == "METHOD_NOT_SUPPORTED"
    assert "reach_too_far" in str(refused.value) or "run_query calls a query" in str(refused.value)
    assert convex.run(texts) == []


# ---------------------------------------------------------------------------------------------- a mutation


@mutation
def read_own_writes(ctx: MutationCtx) -> tuple[list[str], list[str]]:
    ctx.db.add(Note(text="mine"))
    return ctx.run_query(texts), outside[0].run(texts)


@promise("F2")
def test_a_mutation_calls_queries_in_its_own_transaction(convex: ConvexTest) -> None:
    assert convex.run(read_own_writes) == (["mine"], [])


@query
def query_that_writes(ctx: QueryCtx) -> None:
    ctx.db.add(Note(text="never"))


@mutation
def let_a_query_write(ctx: MutationCtx, catch: bool) -> None:
    ctx.db.add(Note(text="mine"))
    try:
        ctx.run_query(query_that_writes)
    except ReadOnlyError:
        if not catch:
            raise
        ctx.db.add(Note(text="and on"))


@promise("F1")
def test_a_query_that_a_mutation_calls_may_not_write_either(convex: ConvexTest) -> None:
    with pytest.raises(ReadOnlyError):
        convex.run(let_a_query_write, catch=False)
    assert convex.run(texts) == []


@mutation
def catch_a_failing_mutation(ctx: MutationCtx) -> None:
    write(ctx, "before")
    try:
        ctx.run_mutation(write_and_raise, text="undone")
    except ConvexError as error:
        seen.append((error.code, error.data))
    seen.append(ctx.run_query(texts))
    write(ctx, "after")


@promise("F2", "S9")
def test_a_nested_mutation_that_raises_undoes_only_itself(convex: ConvexTest) -> None:
    convex.run(catch_a_failing_mutation)
    assert seen == [("CONFLICT", {"why": "undone"}), ["before"]]
    assert convex.run(texts) == ["before", "after"]


@mutation
def catch_a_database_error(ctx: MutationCtx) -> None:
    write(ctx, "once")
    try:
        ctx.run_mutation(write, text="once")
    except IntegrityError:
        write(ctx, "another")


@promise("F2")
def test_a_nested_mutation_that_the_database_refuses_undoes_only_itself(convex: ConvexTest) -> None:
    convex.run(catch_a_database_error)
    assert convex.run(texts) == ["once", "another"]


@mutation
def fail_after_a_nested_one(ctx: MutationCtx) -> None:
    ctx.run_mutation(write, text="never")
    raise ValueError("after all")


@promise("F2")
def test_a_nested_mutation_is_part_of_its_parent(convex: ConvexTest) -> None:
    with pytest.raises(ValueError, match="after all"):
        convex.run(fail_after_a_nested_one)
    assert convex.run(texts) == []


@mutation
def nest_deeply(ctx: MutationCtx, depth: int) -> None:
    write(ctx, f"depth {depth}")
    if depth == 3:
        raise ValueError("bottom")
    try:
        ctx.run_mutation(nest_deeply, depth=depth + 1)
    except ValueError:
        if depth != 1:
            raise


@promise("S9")
def test_an_error_undoes_every_level_that_it_passes_through(convex: ConvexTest) -> None:
    convex.run(nest_deeply, depth=0)
    assert convex.run(texts) == ["depth 0", "depth 1"]


@mutation
def call_an_action(ctx: Any, how: str) -> None:
    if how == "run_action":
        ctx.run_action(greet, name="x")
    elif how == "run_mutation":
        ctx.run_mutation(greet, name="x")
    else:
        ctx.run_query(write, text="never")


@promise("F2")
@pytest.mark.parametrize("how", ["run_action", "run_mutation", "run_query(mutation)"])
def test_a_mutation_cannot_call_an_action(convex: ConvexTest, how: str) -> None:
    with pytest.raises(CallNotAllowed, match=r"Schedule it|run_mutation calls a mutation|run_query calls a query"):
        convex.run(call_an_action, how=how)
