"""What cannot be scheduled is refused at the call, clearly, and nothing is scheduled.

==== ======================================================================================
S4   test_a_delay_that_is_none_is_refused, test_a_time_that_is_none_is_refused
S5   test_more_than_five_years_away_is_refused, test_up_to_five_years_are_not
S6   test_an_unknown_function_is_refused
F8   test_a_query_is_refused
==== ======================================================================================
"""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from app.models import Note
from sqlalchemy import select
from support.apps import START, app_of

from convexpy import (
    ConvexError,
    InvalidArguments,
    InvalidSchedule,
    JobId,
    MutationCtx,
    QueryCtx,
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


UNREGISTERED = {"decorated, but not part of the app": mutation(undecorated)}


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


NO_DELAYS: list[Any] = [
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
]


@promise("S4")
def test_a_delay_that_is_none_is_refused(convex: ConvexTest) -> None:
    for delay in NO_DELAYS:
        assert_refused(convex, "after", delay)


NO_TIMES: list[Any] = [
    datetime(2030, 1, 8),
    date(2030, 1, 8),
    timedelta(days=1),
    math.nan,
    math.inf,
    -math.inf,
    True,
    None,
    "2030-01-08T00:00:00Z",
]


@promise("S4")
def test_a_time_that_is_none_is_refused(convex: ConvexTest) -> None:
    for when in NO_TIMES:
        assert_refused(convex, "at", when)


def test_a_naive_datetime_is_refused_with_advice(convex: ConvexTest) -> None:
    assert "no time zone" in assert_refused(convex, "at", datetime(2030, 1, 8)).message


TOO_FAR: list[Any] = [
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
]


@promise("S5")
def test_more_than_five_years_away_is_refused(convex: ConvexTest) -> None:
    for how, value in TOO_FAR:
        assert "five years" in assert_refused(convex, how, value).message


def test_a_time_in_seconds_is_refused_and_says_what_to_do(convex: ConvexTest) -> None:
    for seconds in (1_700_000_000, 1_700_000_000.5, 10**11 - 1, -1_700_000_000):
        assert "multiply them by 1000" in assert_refused(convex, "at", seconds).message


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
@pytest.mark.in_turns
def test_up_to_five_years_are_not(convex: ConvexTest, how: str, value: object) -> None:
    given[:] = [value]
    convex.run(try_to_schedule, how=how)
    assert len(convex.jobs(state="pending")) == 2


# ---------------------------------------------------------------------------------------------- what


UNKNOWN: list[Any] = [
    "nowhere:nothing",
    "",
    internal.nowhere.nothing,
    api,
    undecorated,
    *UNREGISTERED.values(),
    lambda ctx: None,
    None,
    5,
]


@promise("S6")
def test_an_unknown_function_is_refused(convex: ConvexTest) -> None:
    for target in UNKNOWN:
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
