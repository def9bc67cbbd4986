"""A mutation that meets a conflict runs again as a whole; one that hangs is rolled back.

==== ======================================================================================
S8   test_the_whole_body_is_run_again_with_nothing_left_of_the_try_before
==== ======================================================================================
"""

from __future__ import annotations

from typing import Any

import pytest
from app.models import Base, Note
from sqlalchemy import select
from support.apps import START, app_of
from support.faults import PlannedErrors, a_conflict
from support.waiting import hang_within_a_limit

from convexpy import (
    ConvexError,
    FunctionTimeout,
    InternalError,
    JobId,
    MutationCtx,
    QueryCtx,
    Settings,
    mutation,
    query,
)
from convexpy.testing import ConvexTest

promise = pytest.mark.promise
seen: list[Any] = []
planned = PlannedErrors()


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    seen.clear()
    planned.reset()


@mutation
def write(ctx: MutationCtx, text: str) -> None:
    ctx.db.add(Note(text=text))


@query
def texts(ctx: QueryCtx) -> list[str]:
    return list(ctx.db.scalars(select(Note.text).order_by(Note.id)))


def assert_works(convex: ConvexTest, expected: list[str]) -> None:
    """Whatever a handler did: what is stored is this, and the next mutation is not disturbed."""
    assert convex.run(texts) == expected
    convex.run(write, text="the next one")
    assert convex.run(texts) == [*expected, "the next one"]


# ---------------------------------------------------------------------------------------------- again


@mutation
def collect(ctx: MutationCtx, items: list[str]) -> list[str]:
    assert ctx.system.scheduled_functions() == []
    assert texts(ctx) == []
    ctx.db.add(Note(text="once"))
    items.append("once")
    job_id = ctx.schedule.now(write, text="scheduled")
    ctx.schedule.cancel(job_id)
    seen.append(ctx.schedule.now(write, text="scheduled"))
    ctx.db.flush()
    planned.raise_next()
    return items


@promise("S8")
def test_the_whole_body_is_run_again_with_nothing_left_of_the_try_before(convex: ConvexTest) -> None:
    planned.reset(a_conflict(), a_conflict(), a_conflict())
    assert convex.run(collect, items=["given"]) == ["given", "once"]
    assert len(set(seen)) == 4
    assert [job.id for job in convex.jobs(state="pending")] == [JobId(seen[-1])]
    assert len(convex.jobs(state="canceled")) == 1
    assert_works(convex, ["once"])


@mutation
def conflict_in_a_nested_mutation(ctx: MutationCtx) -> None:
    try:
        ctx.run_mutation(collect, items=[])
    except ConvexError:
        seen.append("caught")


@promise("S8")
def test_a_conflict_in_a_nested_mutation_runs_the_whole_again(convex: ConvexTest) -> None:
    planned.reset(a_conflict())
    convex.run(conflict_in_a_nested_mutation)
    assert len(seen) == 2
    assert_works(convex, ["once"])


# ---------------------------------------------------------------------------------------------- time limits


@mutation
def hang(ctx: MutationCtx, catch: bool) -> None:
    try:
        ctx.db.add(Note(text="never"))
        ctx.db.flush()
        ctx.schedule.now(write, text="never")
        seen.append("loops")
        while True:
            pass
    except BaseException as error:
        seen.append(isinstance(error, Exception))
        if not catch:
            raise


@query
def hang_reading(ctx: QueryCtx) -> None:
    texts(ctx)
    seen.append("reads")
    while True:
        pass


# The interruption may strike anywhere, so also where Python can only report it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@promise("F2", "S7")
@pytest.mark.parametrize("catch", [False, True])
def test_a_mutation_that_hangs_is_rolled_back_and_delays_no_other(database: str, catch: bool) -> None:
    app = app_of(hang, hang_reading, write, texts)

    def is_interrupted(seconds: float) -> bool:
        seen.clear()
        limits = Settings(mutation_time_limit=seconds, query_time_limit=seconds, mutation_retries=0)
        with ConvexTest(app, metadata=Base.metadata, database_url=database, settings=limits, now=START) as convex:
            for function, arguments in ((hang, {"catch": catch}), (hang_reading, {})):
                with pytest.raises((FunctionTimeout, InternalError)) as error:
                    convex.run(function, **arguments)
                if error.type is InternalError:  # it did not even begin
                    return False
                error.match(f"{seconds:g} s")
            # No error of a kind that `except Exception` of the handler would catch.
            return seen == ["loops", False, "reads"]

    with ConvexTest(app, metadata=Base.metadata, database_url=database, now=START) as other:
        hang_within_a_limit(is_interrupted)
        assert other.jobs() == []
        assert_works(other, [])
