"""What every handler gets with its context: the schedule, and the rest of the columns of the table.

============ ============= ==========
from         schedule      the rest
============ ============= ==========
a query      –             yes
a mutation   atomic        yes
an action    at once       yes
============ ============= ==========

F2 F3        test_a_mutation_schedules_at_its_commit_and_an_action_at_once
F4           test_every_kind_calls_internal_functions
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, timedelta
from typing import Any

import pytest
from app.models import Base, Note
from sqlalchemy import select
from support.apps import START

from convexpy import (
    ActionCtx,
    ConvexError,
    FunctionNotFound,
    Identity,
    InvalidArguments,
    InvalidResult,
    JobId,
    MutationCtx,
    QueryCtx,
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


@query
def texts(ctx: QueryCtx) -> list[str]:
    return list(ctx.db.scalars(select(Note.text).order_by(Note.id)))


@mutation
def write(ctx: MutationCtx, text: str) -> int:
    note = Note(text=text)
    ctx.db.add(note)
    ctx.db.flush()
    return note.id


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
def test_a_mutation_schedules_at_its_commit_and_an_action_at_once(convex: ConvexTest) -> None:
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
def test_every_kind_calls_internal_functions_and_has_a_whole_context(convex: ConvexTest) -> None:
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


def test_the_calls_below_a_job_have_its_id_and_attempt(convex: ConvexTest) -> None:
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
@pytest.mark.in_turns
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
