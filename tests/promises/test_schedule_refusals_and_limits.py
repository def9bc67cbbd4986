"""What cannot be scheduled is refused at the call, clearly, and nothing is scheduled.

==== ======================================================================================
S4   test_a_delay_that_is_none_is_refused, test_a_time_that_is_none_is_refused
S5   test_more_than_five_years_away_is_refused, test_up_to_five_years_are_not
S6   test_an_unknown_function_is_refused, test_a_function_that_vanished_later_fails_its_job
S12  test_a_thousand_functions_may_be_scheduled_and_one_more_loses_them_all
S13  test_eight_mebibytes_of_arguments_are_allowed_and_a_byte_more_is_not
S14  test_the_limits_hold_for_one_run_of_an_action
F8   test_a_query_is_refused
==== ======================================================================================
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from app.models import Note
from sqlalchemy import select
from stage import START, app_of

from convexpy import (
    ActionCtx,
    ConvexError,
    InvalidArguments,
    InvalidSchedule,
    JobId,
    MutationCtx,
    QueryCtx,
    ScheduleLimitExceeded,
    Settings,
    action,
    api,
    internal,
    mutation,
    query,
)
from convexpy.testing import ConvexTest

promise = pytest.mark.promise
given: list[Any] = []
FIVE_YEARS = timedelta(days=1830)


@mutation
def work(ctx: MutationCtx, data: str = "") -> None: ...


@query
def look(ctx: QueryCtx) -> None: ...


def undecorated(ctx: MutationCtx) -> None: ...


STRANGERS = {"decorated, but not part of the app": mutation(undecorated)}


@mutation
def try_to_schedule(ctx: Any, how: str) -> JobId:
    """Writes, schedules one thing well and then one thing badly, so that there would be something to keep."""
    ctx.db.add(Note(text="never"))
    good = ctx.schedule.now(work)
    (value,) = given
    if how == "after":
        ctx.schedule.after(value, work)
    elif how == "at":
        ctx.schedule.at(value, work)
    else:
        ctx.schedule.now(value)
    return JobId(good)


@action
async def try_to_schedule_outside(ctx: Any, how: str) -> None:
    (value,) = given
    if how == "after":
        await ctx.schedule.after(value, work)
    elif how == "at":
        await ctx.schedule.at(value, work)
    else:
        await ctx.schedule.now(value)


def assert_refused(convex: ConvexTest, how: str, value: object, error: Any = InvalidSchedule) -> ConvexError:
    given[:] = [value]
    with pytest.raises(error):
        convex.run(try_to_schedule_outside, how=how)
    with pytest.raises(error) as refused:
        convex.run(try_to_schedule, how=how)
    assert convex.jobs() == []
    with convex.db() as db:
        assert db.scalars(select(Note)).all() == []
    raised: ConvexError = refused.value
    assert raised.code == "BAD_REQUEST"
    return raised


# ---------------------------------------------------------------------------------------------- when


@promise("S4")
@pytest.mark.parametrize(
    "delay",
    [
        -1,
        -0.001,
        timedelta(microseconds=-1),
        timedelta.min,
        math.nan,
        math.inf,
        -math.inf,
        10**400,
        -(10**400),
        True,
        False,
        None,
        "5000",
        Decimal(5),
        Fraction(1, 2),
        START,
        [5],
    ],
    ids=lambda each: repr(each)[:30],
)
def test_a_delay_that_is_none_is_refused(convex: ConvexTest, delay: object) -> None:
    assert_refused(convex, "after", delay)


@promise("S4")
@pytest.mark.parametrize(
    "when",
    [
        datetime(2030, 1, 8),
        date(2030, 1, 8),
        timedelta(days=1),
        math.nan,
        math.inf,
        -math.inf,
        True,
        None,
        "2030-01-08T00:00:00Z",
    ],
    ids=repr,
)
def test_a_time_that_is_none_is_refused(convex: ConvexTest, when: object) -> None:
    assert_refused(convex, "at", when)


def test_a_naive_datetime_is_refused_with_advice(convex: ConvexTest) -> None:
    assert "no time zone" in assert_refused(convex, "at", datetime(2030, 1, 8)).message


@promise("S5")
@pytest.mark.parametrize(
    ("how", "value"),
    [
        ("after", FIVE_YEARS + timedelta(microseconds=1)),
        ("after", 1830 * 86_400_000 + 1),
        ("after", timedelta.max),
        ("after", 1e300),
        ("at", START + FIVE_YEARS + timedelta(microseconds=1)),
        ("at", START - FIVE_YEARS - timedelta(microseconds=1)),
        ("at", (START + FIVE_YEARS).timestamp() * 1000 + 1),
        ("at", 0),
        ("at", 1e300),
        ("at", 10**400),
        ("at", datetime.max.replace(tzinfo=timezone(timedelta(hours=-1)))),
        ("at", datetime.min.replace(tzinfo=timezone(timedelta(hours=1)))),
        ("at", datetime.min.replace(tzinfo=UTC)),
    ],
    ids=lambda each: repr(each)[:50],
)
def test_more_than_five_years_away_is_refused(convex: ConvexTest, how: str, value: object) -> None:
    assert "five years" in assert_refused(convex, how, value).message


@promise("S5")
@pytest.mark.parametrize(
    ("how", "value"),
    [
        ("after", 0),
        ("after", timedelta(0)),
        ("after", -0.0),
        ("after", FIVE_YEARS),
        ("after", 1830 * 86_400_000),
        ("at", START + FIVE_YEARS),
        ("at", START - FIVE_YEARS),
    ],
    ids=lambda each: repr(each)[:50],
)
def test_up_to_five_years_are_not(convex: ConvexTest, how: str, value: object) -> None:
    given[:] = [value]
    convex.run(try_to_schedule, how=how)
    assert len(convex.jobs(state="pending")) == 2


# ---------------------------------------------------------------------------------------------- what


@promise("S6")
@pytest.mark.parametrize(
    "target",
    [
        "nowhere:nothing",
        "",
        internal.nowhere.nothing,
        api,
        undecorated,
        *STRANGERS.values(),
        lambda ctx: None,
        None,
        5,
    ],
    ids=lambda each: repr(each)[:30].partition(" at 0x")[0],
)
def test_an_unknown_function_is_refused(convex: ConvexTest, target: object) -> None:
    assert_refused(convex, "now", target)


@promise("F8")
@pytest.mark.parametrize("target", [look, f"{__name__}:look"], ids=["object", "name"])
def test_a_query_is_refused(convex: ConvexTest, target: object) -> None:
    assert "is a query" in assert_refused(convex, "now", target).message


def test_bad_arguments_are_refused(convex: ConvexTest) -> None:
    @mutation
    def needs_more(ctx: MutationCtx, x: int) -> None: ...

    with ConvexTest(app_of(needs_more, work, try_to_schedule, try_to_schedule_outside)) as other:
        given[:] = [needs_more]
        with pytest.raises(InvalidArguments, match="x: Field required"):
            other.run(try_to_schedule_outside, how="now")
        assert other.jobs() == []


@promise("S6")
def test_a_function_that_vanished_later_fails_its_job(database: str) -> None:
    @mutation
    def start(ctx: MutationCtx) -> tuple[JobId, JobId]:
        return ctx.schedule.now(work), ctx.schedule.now(act)

    @action
    async def act(ctx: ActionCtx) -> None: ...

    with ConvexTest(app_of(work, start, act), database_url=database, now=START) as before:
        ids = before.run(start)
    with ConvexTest(app_of(start), database_url=database, now=START) as after:
        after.run_due()
        for job_id, name in zip(ids, ("made:work", "made:act"), strict=True):
            job = after.job(job_id)
            assert job is not None
            assert job.state.kind == "failed"
            assert job.state.error is not None
            assert f"there is no function {name!r}" in job.state.error


@promise("S6")
def test_a_function_that_became_a_query_fails_its_job(database: str) -> None:
    @mutation
    def start(ctx: MutationCtx) -> JobId:
        return ctx.schedule.now(work)

    @query
    def became_a_query(ctx: QueryCtx, data: str = "") -> None: ...

    with ConvexTest(app_of(work, start), database_url=database, now=START) as before:
        job_id = before.run(start)
    with ConvexTest(app_of(work=became_a_query), database_url=database, now=START) as after:
        after.run_due()
        assert after.job(job_id).state.kind == "failed"  # type: ignore[union-attr]
        with pytest.raises(ConvexError, match="is a query by now"):
            after.convex.system.retry(job_id)


def test_a_function_that_became_an_action_runs_as_what_it_is(database: str) -> None:
    ran = []

    @mutation
    def start(ctx: MutationCtx) -> JobId:
        return ctx.schedule.now(work)

    @action
    async def became_an_action(ctx: ActionCtx, data: str = "") -> None:
        ran.append(ctx.job)

    with ConvexTest(app_of(work, start), database_url=database, now=START) as before:
        job_id = before.run(start)
    with ConvexTest(app_of(work=became_an_action), database_url=database, now=START) as after:
        after.run_due()
        assert after.job(job_id).state.kind == "success"  # type: ignore[union-attr]
    assert len(ran) == 1


# ---------------------------------------------------------------------------------------------- how much


@mutation
def schedule_many(ctx: MutationCtx, count: int, catch: bool = False, size: int = 0) -> None:
    for _ in range(count):
        try:
            ctx.schedule.now(work, data="x" * size)
        except ScheduleLimitExceeded:
            if not catch:
                raise


@action
async def schedule_many_outside(ctx: ActionCtx, count: int) -> None:
    for _ in range(count):
        await ctx.schedule.now(work)


@mutation
def schedule_many_in_parts(ctx: MutationCtx, parts: int, count: int, fail: bool = False) -> None:
    for _ in range(parts):
        with suppress(KeyError):
            ctx.run_mutation(schedule_part, count=count, fail=fail)


@mutation
def schedule_part(ctx: MutationCtx, count: int, fail: bool) -> None:
    schedule_many(ctx, count)
    if fail:
        raise KeyError("undo this part")


@promise("S12")
def test_a_thousand_functions_may_be_scheduled_and_one_more_loses_them_all(convex: ConvexTest) -> None:
    convex.run(schedule_many, count=1000)
    assert len(convex.jobs()) == 1000
    with pytest.raises(ScheduleLimitExceeded, match="1000 functions"):
        convex.run(schedule_many, count=1001)
    assert len(convex.jobs()) == 1000


@promise("S12")
def test_a_mutation_may_catch_the_refusal_and_keep_the_others(convex: ConvexTest) -> None:
    convex.run(schedule_many, count=1005, catch=True)
    assert len(convex.jobs()) == 1000


@promise("S13")
@pytest.mark.parametrize("letter", ["x", "é", "\n"], ids=["one byte", "two bytes", "escaped"])
def test_eight_mebibytes_of_arguments_are_allowed_and_a_byte_more_is_not(convex: ConvexTest, letter: str) -> None:
    room = 8_388_608 - len('{"data":""}')
    full, rest = divmod(room, 2 if letter != "x" else 1)
    given[:] = [letter * full + "x" * rest]
    convex.run(schedule_data)
    assert len(convex.jobs()) == 1
    given[:] = [given[0] + "x"]
    with pytest.raises(ScheduleLimitExceeded, match="8388608 bytes"):
        convex.run(schedule_data)
    assert len(convex.jobs()) == 1


@mutation
def schedule_data(ctx: MutationCtx) -> None:
    ctx.schedule.now(work, data=given[0])


@pytest.fixture
def small(database: str) -> Iterator[ConvexTest]:
    """The same functions under limits that are quickly reached."""
    limits = Settings(max_scheduled=3, max_scheduled_bytes=100)
    app = app_of(work, schedule_many, schedule_many_outside, schedule_many_in_parts, schedule_part)
    with ConvexTest(app, database_url=database, settings=limits, now=START) as convex:
        yield convex


@promise("S13")
def test_the_bytes_of_all_schedules_of_a_call_count_together(small: ConvexTest) -> None:
    size = 50 - len('{"data":""}')
    small.run(schedule_many, count=2, size=size)
    with pytest.raises(ScheduleLimitExceeded, match="100 bytes"):
        small.run(schedule_many, count=2, size=size + 1)
    assert len(small.jobs()) == 2


@promise("S14")
def test_the_limits_hold_for_one_run_of_an_action(small: ConvexTest) -> None:
    small.run(schedule_many_outside, count=3)
    assert len(small.jobs()) == 3
    with pytest.raises(ScheduleLimitExceeded):
        small.run(schedule_many_outside, count=4)
    assert len(small.jobs()) == 6


@promise("S12")
def test_the_limit_counts_what_nested_mutations_schedule(small: ConvexTest) -> None:
    small.run(schedule_many_in_parts, parts=3, count=1)
    assert len(small.jobs()) == 3
    with pytest.raises(ScheduleLimitExceeded):
        small.run(schedule_many_in_parts, parts=2, count=2)
    assert len(small.jobs()) == 3


@promise("S12")
def test_the_limit_does_not_count_what_a_nested_mutation_undid(small: ConvexTest) -> None:
    small.run(schedule_many_in_parts, parts=5, count=2, fail=True)
    assert small.jobs() == []
