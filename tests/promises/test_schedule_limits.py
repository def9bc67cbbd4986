"""How much one call may schedule: beyond that, it is refused, and a mutation loses all that it scheduled.

==== ======================================================================================
S12  test_a_thousand_functions_may_be_scheduled_and_one_more_loses_them_all
S13  test_eight_mebibytes_of_arguments_are_allowed_and_a_byte_more_is_not
S14  test_the_limits_hold_for_one_run_of_an_action
==== ======================================================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from support.apps import START, app_of

from convexpy import ActionCtx, MutationCtx, ScheduleLimitExceeded, Settings, action, mutation
from convexpy.testing import ConvexTest

promise = pytest.mark.promise
given: list[Any] = []


@mutation
def work(ctx: MutationCtx, data: str = "") -> None: ...


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
def test_eight_mebibytes_of_arguments_are_allowed_and_a_byte_more_is_not(database: str, letter: str) -> None:
    patient = Settings(mutation_time_limit=timedelta(minutes=10))
    with ConvexTest(app_of(work, schedule_data), database_url=database, settings=patient, now=START) as convex:
        check_eight_mebibytes(convex, letter)


def check_eight_mebibytes(convex: ConvexTest, letter: str) -> None:
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
