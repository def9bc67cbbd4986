"""When a cron runs: at once and then every so often, or at the matches of an expression.

==== ======================================================================================
C2   test_an_interval_runs_when_it_first_appears_and_keeps_its_phase
C3   test_a_cron_expression_runs_at_its_matches_and_not_at_once
C4   test_hourly_daily_weekly_and_monthly
C11  test_both_day_fields_mean_either
==== ======================================================================================
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.apps import START, app_of
from support.cron_app import HOUR, MINUTE, act, app_with, crons_of, ran, work

from convexpy import Crons, MutationCtx, mutation
from convexpy.testing import ConvexTest

promise = pytest.mark.promise
pytestmark = pytest.mark.usefixtures("no_cron_ran")


# ---------------------------------------------------------------------------------------------- intervals


@promise("C2")
@pytest.mark.parametrize(
    "declare",
    [
        lambda crons: crons.interval("x", timedelta(hours=2), work),
        lambda crons: crons.interval("x", work, hours=2),
        lambda crons: crons.interval("x", timedelta(minutes=120), act, label="a"),
        lambda crons: crons.interval("x", hours=1, minutes=60, function=work),
    ],
    ids=["timedelta", "hours", "action", "units"],
)
def test_an_interval_runs_when_it_first_appears_and_keeps_its_phase(declare: Any) -> None:
    with ConvexTest(app_with(declare), now=START) as convex:
        assert ran == []
        convex.run_due()
        assert ran == [START]
        convex.advance(hours=1, minutes=59)
        assert ran == [START]
        convex.advance(hours=6)
        assert ran == [START + 2 * n * HOUR for n in range(4)]


@promise("C2")
def test_the_phase_counts_from_the_slot_and_not_from_the_end_of_the_run() -> None:
    @mutation
    def slow(ctx: MutationCtx) -> None:
        ran.append(ctx.now)
        clocks[0].move_to(ctx.now + timedelta(seconds=20))

    crons = crons_of(lambda crons: crons.interval("slow", MINUTE, slow))
    with ConvexTest(app_of(slow, crons=crons), now=START) as convex:
        clocks = [convex.clock]
        convex.advance(minutes=3)
        assert ran == [START + n * MINUTE for n in range(4)]


# ---------------------------------------------------------------------------------------------- expressions


@promise("C3")
@pytest.mark.parametrize(
    ("expression", "first_three"),
    [
        ("* * * * *", ["2030-01-07 12:01", "2030-01-07 12:02", "2030-01-07 12:03"]),
        ("*/15 * * * *", ["2030-01-07 12:15", "2030-01-07 12:30", "2030-01-07 12:45"]),
        ("0 * * * *", ["2030-01-07 13:00", "2030-01-07 14:00", "2030-01-07 15:00"]),
        ("0 0 * * *", ["2030-01-08 00:00", "2030-01-09 00:00", "2030-01-10 00:00"]),
        ("0 9 * * *", ["2030-01-08 09:00", "2030-01-09 09:00", "2030-01-10 09:00"]),
        ("0 9 * * 1-5", ["2030-01-08 09:00", "2030-01-09 09:00", "2030-01-10 09:00"]),
        ("0 0 1 * *", ["2030-02-01 00:00", "2030-03-01 00:00", "2030-04-01 00:00"]),
        ("0 12 * * 0", ["2030-01-13 12:00", "2030-01-20 12:00", "2030-01-27 12:00"]),
    ],
)
def test_a_cron_expression_runs_at_its_matches_and_not_at_once(expression: str, first_three: list[str]) -> None:
    with ConvexTest(app_with(lambda crons: crons.cron("x", expression, work)), now=START) as convex:
        convex.run_due()
        assert ran == []
        convex.advance(datetime.fromisoformat(f"{first_three[-1]}Z") - START)
    assert [f"{moment:%F %R}" for moment in ran] == first_three
    assert {moment.tzinfo for moment in ran} == {UTC}


@promise("C11")
def test_both_day_fields_mean_either() -> None:
    with ConvexTest(app_with(lambda crons: crons.cron("x", "0 0 13 * 5", work)), now=START) as convex:
        convex.advance(days=14)
    assert [f"{moment:%a %d}" for moment in ran] == ["Fri 11", "Sun 13", "Fri 18"]


@promise("C4")
def test_hourly_daily_weekly_and_monthly() -> None:
    def declare(crons: Crons) -> None:
        crons.hourly("sync", minute=30, function=work)
        crons.daily("digest", hour=7, minute=15, function=work)
        crons.weekly("invoice", weekday="monday", hour=8, minute=0, function=work)
        crons.monthly("close books", day=1, hour=0, minute=5, function=work)

    with ConvexTest(app_with(declare), now=START) as convex:
        slots = {cron["name"]: cron["nextTime"] / 1000 for cron in convex.call("_system/crons:list")}
    assert {name: f"{datetime.fromtimestamp(slot, UTC):%F %R}" for name, slot in slots.items()} == {
        "sync": "2030-01-07 12:30",
        "digest": "2030-01-08 07:15",
        "invoice": "2030-01-14 08:00",
        "close books": "2030-02-01 00:05",
    }
