"""Who may call what, and in which transaction: one test a cell of the table in the documentation.

============ ======== ============= ============= ==================== ============ ==========
from         db       schedule      run_query     run_mutation         run_action   the rest
============ ======== ============= ============= ==================== ============ ==========
a query      reads    –             same snapshot –                    –            yes
a mutation   writes   atomic        same tx       nested (savepoint)   –            yes
an action    –        at once       own tx        own tx               yes          yes
============ ======== ============= ============= ==================== ============ ==========

F1 F2 F3     the three rows
F4           test_every_kind_calls_internal_functions
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, timedelta
from typing import Any

import pytest
from app.models import Base, Note
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from stage import START

from convexpy import (
    ActionCtx,
    CallNotAllowed,
    ConvexError,
    FunctionNotFound,
    Identity,
    InvalidArguments,
    InvalidResult,
    JobId,
    MutationCtx,
    QueryCtx,
    ReadOnlyError,
    SyncActionCtx,
    action,
    internal_action,
    internal_mutation,
    internal_query,
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


# ---------------------------------------------------------------------------------------------- leaves


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


# ---------------------------------------------------------------------------------------------- an action


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


# ---------------------------------------------------------------------------------------------- schedules


@mutation
def look_at_the_schedule(ctx: MutationCtx) -> JobId:
    job_id = ctx.schedule.now(write, text="later")
    seen.append(len(outside[0].jobs()))
    return job_id


@action
async def look_at_the_schedule_outside(ctx: ActionCtx) -> JobId:
    job_id = await ctx.schedule.now(write, text="later")
    seen.append(len(outside[0].jobs()))
    return job_id


@promise("F2", "F3")
def test_the_schedule_of_a_mutation_waits_for_its_commit_and_that_of_an_action_does_not(convex: ConvexTest) -> None:
    convex.run(look_at_the_schedule)
    assert seen == [0]
    convex.run(look_at_the_schedule_outside)
    assert seen == [0, 2]


@action
async def schedule_all_four(ctx: ActionCtx) -> list[JobId]:
    now = await ctx.schedule.now(write, text="now")
    after = await ctx.schedule.after(timedelta(seconds=1), write, text="after")
    at = await ctx.schedule.at(ctx.now + timedelta(seconds=2), write, text="at")
    await ctx.schedule.cancel(after)
    return [now, after, at]


@action
def schedule_all_four_plainly(ctx: SyncActionCtx) -> list[JobId]:
    now = ctx.schedule.now(write, text="now")
    after = ctx.schedule.after(timedelta(seconds=1), write, text="after")
    at = ctx.schedule.at(ctx.now + timedelta(seconds=2), write, text="at")
    ctx.schedule.cancel(after)
    return [now, after, at]


@promise("F3")
@pytest.mark.parametrize("function", [schedule_all_four, schedule_all_four_plainly], ids=["async", "def"])
def test_an_action_schedules_and_cancels_like_a_mutation(convex: ConvexTest, function: Any) -> None:
    ids = convex.run(function)
    convex.advance(seconds=2)
    assert convex.run(texts) == ["now", "at"]
    assert [convex.job(job_id).state.kind for job_id in ids] == ["success", "canceled", "success"]  # type: ignore[union-attr]


# ---------------------------------------------------------------------------------------------- the rest


@internal_query
def see_query(ctx: QueryCtx) -> None:
    seen.append(("query", ctx.function.name, ctx.identity, ctx.now, ctx.job))
    assert ctx.system.scheduled_functions() is not None


@internal_mutation
def see_mutation(ctx: MutationCtx) -> None:
    seen.append(("mutation", ctx.function.name, ctx.identity, ctx.now, ctx.job))
    ctx.run_query(see_query)


@internal_action
async def see_action(ctx: ActionCtx) -> None:
    seen.append(("action", ctx.function.name, ctx.identity, ctx.now, ctx.job))
    await ctx.run_mutation(see_mutation)
    assert await ctx.system.scheduled_functions() is not None
    assert await ctx.system.get(JobId("0" * 32)) is None


@promise("F4")
def test_every_kind_calls_internal_functions_and_sees_identity_now_function_job_and_system(convex: ConvexTest) -> None:
    convex.as_user("u1").run(see_action)
    assert [(kind, name.partition(":")[2]) for kind, name, *_ in seen] == [
        ("action", "see_action"),
        ("mutation", "see_mutation"),
        ("query", "see_query"),
    ]
    assert {(identity, now, job) for _, _, identity, now, job in seen} == {(Identity("u1"), START, None)}


@mutation
def schedule_all_kinds(ctx: MutationCtx) -> list[JobId]:
    return [ctx.schedule.now(see_mutation), ctx.schedule.now(see_action)]


def test_the_job_of_a_call_is_the_id_and_the_attempt_also_in_the_calls_below_it(convex: ConvexTest) -> None:
    mutation_id, action_id = convex.run(schedule_all_kinds)
    convex.run_due()
    jobs = [(name.partition(":")[2], job.id, job.attempt) for _, name, _, _, job in seen]
    assert {job for job in jobs if job[1] == mutation_id} == {
        ("see_mutation", mutation_id, 1),
        ("see_query", mutation_id, 1),
    }
    assert [job[0] for job in jobs if job[1:] == (action_id, 1)] == ["see_action", "see_mutation", "see_query"]
    assert len(jobs) == 5
    assert {identity for _, _, identity, _, _ in seen} == {None}


@query
def read_the_clock(ctx: QueryCtx) -> bool:
    first = ctx.now
    outside[0].advance(hours=1)
    assert first.tzinfo is UTC
    return first == ctx.now == START


def test_now_stands_still_for_the_whole_call(convex: ConvexTest) -> None:
    assert convex.run(read_the_clock)
    assert convex.now == START + timedelta(hours=1)


@mutation
def call_badly(ctx: Any, how: str) -> None:
    if how == "arguments":
        ctx.run_mutation(write, txt="never")
    elif how == "result":
        ctx.run_query(lie)
    elif how == "name":
        ctx.run_query("nowhere:nothing")
    else:
        ctx.run_query(lambda ctx: None)


@query
def lie(ctx: QueryCtx) -> int:
    return "not a number"  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("arguments", InvalidArguments),
        ("result", InvalidResult),
        ("name", FunctionNotFound),
        ("object", FunctionNotFound),
    ],
)
def test_a_call_from_a_function_is_checked_like_one_from_outside(convex: ConvexTest, how: str, error: Any) -> None:
    with pytest.raises(error):
        convex.run(call_badly, how=how)


kept: list[Any] = []


@mutation
def keep_the_context(ctx: MutationCtx) -> None:
    kept[:] = [ctx]


USES: list[Callable[[Any], object]] = [
    lambda ctx: ctx.db.scalars(select(Note)).all(),
    lambda ctx: ctx.schedule.now(write, text="never"),
    lambda ctx: ctx.schedule.cancel(JobId("0" * 32)),
    lambda ctx: ctx.system.get(JobId("0" * 32)),
    lambda ctx: ctx.run_query(texts),
    lambda ctx: ctx.run_mutation(write, text="never"),
]


@pytest.mark.parametrize("use", USES)
def test_a_context_that_outlives_its_call_can_no_longer_be_used(
    convex: ConvexTest, use: Callable[[Any], object]
) -> None:
    convex.run(keep_the_context)
    with pytest.raises(ConvexError, match=r"ended|over"):
        use(kept[0])
    assert convex.run(texts) == []
    assert convex.jobs() == []


def test_the_tables_of_the_app_are_the_users_own() -> None:
    assert not [name for name in Base.metadata.tables if name.startswith("_")]
