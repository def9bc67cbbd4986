"""Crons: each slot fires once, at most one run at a time, and what is missed is skipped and said so.

==== ======================================================================================
C8   test_after_downtime_the_stored_slot_runs_once, test_a_cron_never_runs_twice_at_a_time
C9   test_definitions_are_compared_by_name
C10  test_a_failed_run_never_stops_a_cron, test_a_cron_tries_again_after_internal_errors
C12  test_every_run_is_a_row_with_the_name_of_its_cron
==== ======================================================================================
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from app.models import Order
from support.apps import START, app_of
from support.cron_app import HOUR, MINUTE, act, app_with, crons_of, planned, ran, work
from support.faults import a_conflict, a_disk_error

from convexpy import ActionCtx, Crons, Settings, action
from convexpy.testing import ConvexTest

promise = pytest.mark.promise
pytestmark = pytest.mark.usefixtures("no_cron_ran")


def history(convex: ConvexTest, name: str) -> list[tuple[str, datetime]]:
    """How each slot ended, the earliest first."""
    jobs = [job for job in convex.jobs() if job.cron == name]
    return [(job.state.kind, job.scheduled_time) for job in sorted(jobs, key=lambda job: job.scheduled_time)]


def slots_of(convex: ConvexTest) -> dict[str, str]:
    """When each cron fires next."""
    crons = convex.call("_system/crons:list")
    return {cron["name"]: f"{datetime.fromtimestamp(cron['nextTime'] / 1000, UTC):%d %R}" for cron in crons}


# ---------------------------------------------------------------------------------------------- once a slot


@promise("C8")
@pytest.mark.parametrize(
    ("declare", "late", "then"),
    [
        (lambda crons: crons.interval("x", HOUR, work), "13:00", ["16:30", "17:00", "18:00"]),
        (lambda crons: crons.cron("x", "0 * * * *", work), "13:00", ["16:30", "17:00", "18:00"]),
    ],
    ids=["interval", "expression"],
)
def test_after_downtime_the_stored_slot_runs_once(database: str, declare: Any, late: str, then: list[str]) -> None:
    with ConvexTest(app_with(declare), database_url=database, now=START) as before:
        before.run_due()
    ran.clear()
    with ConvexTest(app_with(declare), database_url=database, now=START + 4.5 * HOUR) as after:
        after.advance(hours=2)
        runs = [slot for kind, slot in history(after, "x") if kind == "success" and slot > START]
        assert f"{runs[0]:%R}" == late
        skipped = [job for job in after.jobs(state="canceled") if job.cron == "x"]
        assert len(skipped) == 1
        assert "nothing was running then" in str(skipped[0].state.error)
    assert [f"{moment:%R}" for moment in ran] == then


@promise("C8")
def test_a_cron_never_runs_twice_at_a_time_and_says_what_it_skipped(database: str) -> None:
    @action
    async def slow(ctx: ActionCtx) -> None:
        ran.append(ctx.now)
        if len(ran) == 1:  # while it runs, two and a half minutes pass, and the crons go on
            convexes[0].clock.move_to(ctx.now + 2.5 * MINUTE)
            await asyncio.to_thread(convexes[0].run_due)

    crons = crons_of(lambda crons: crons.interval("slow", MINUTE, slow))
    with ConvexTest(app_of(slow, crons=crons), database_url=database, now=START) as convex:
        convexes = [convex]
        convex.advance(minutes=5)
        assert ran == [START, *(START + n * MINUTE for n in (3, 4, 5))]
        skipped = convex.jobs(state="canceled")
        assert {job.cron for job in skipped} == {"slow"}
        assert any("the run before was not over" in str(job.state.error) for job in skipped)


@promise("C8")
def test_a_cron_waits_for_its_run_to_be_tried_again(database: str) -> None:
    planned.reset(*(a_disk_error() for _ in range(9)))  # about 25 to 50 s of backoff
    settings = Settings(min_cron_interval=timedelta(seconds=1))
    declare = lambda crons: crons.interval("x", timedelta(seconds=5), work)  # noqa: E731
    with ConvexTest(app_with(declare), database_url=database, now=START, settings=settings) as convex:
        convex.advance(seconds=120)
        states = [kind for kind, _ in history(convex, "x")]
        assert states[0] == "success"
        assert 4 <= states.count("canceled") <= 11
        assert len(ran) + states.count("canceled") == 25


# ---------------------------------------------------------------------------------------------- definitions


@promise("C9")
def test_definitions_are_compared_by_name(database: str) -> None:
    def first(crons: Crons) -> None:
        crons.interval("kept", 3 * HOUR, work, label="old arguments")
        crons.cron("changed", "0 9 * * *", work)
        crons.interval("removed", HOUR, work)

    def second(crons: Crons) -> None:
        crons.interval("kept", timedelta(minutes=180), act, label="new arguments")
        crons.cron("changed", "0 15 * * *", work)
        crons.cron("new", "0 16 * * *", work)

    with ConvexTest(app_with(first), database_url=database, now=START) as convex:
        convex.run_due()
        assert slots_of(convex) == {"kept": "07 15:00", "changed": "08 09:00", "removed": "07 13:00"}
    with ConvexTest(app_with(second), database_url=database, now=START + 0.5 * HOUR) as convex:
        assert slots_of(convex) == {"kept": "07 15:00", "changed": "07 15:00", "new": "07 16:00"}
        convex.advance(hours=3)
        (newest, *_) = convex.call("_system/jobs:list", {"cron": "kept"})
        assert (newest["name"], newest["args"]) == ("made:act", {"label": "new arguments"})
        assert [kind for kind, _ in history(convex, "removed")] == ["success"]


@promise("C9")
def test_renaming_a_cron_is_removing_it_and_adding_another(database: str) -> None:
    with ConvexTest(app_with(lambda c: c.interval("old", HOUR, work)), database_url=database, now=START) as convex:
        convex.run_due()
    later = START + HOUR / 2
    with ConvexTest(app_with(lambda c: c.interval("new", HOUR, work)), database_url=database, now=later) as convex:
        convex.run_due()
        assert [*slots_of(convex)] == ["new"]
    assert ran == [START, later]


# ---------------------------------------------------------------------------------------------- runs


def test_a_reference_stands_for_a_function_that_cannot_be_imported(shop: ConvexTest) -> None:
    with shop.db() as db:
        db.add_all([Order(id="o1"), Order(id="o2", status="stale")])
    shop.advance(hours=21)  # to 09:00 on the next day
    assert ("success", datetime(2030, 1, 8, 9, tzinfo=UTC)) in history(shop, "daily report")
    with shop.db() as db:
        assert db.get(Order, "o2") is None


@promise("C10")
@pytest.mark.parametrize("function", [work, act], ids=["mutation", "action"])
def test_a_failed_run_never_stops_a_cron(function: Any) -> None:
    planned.reset(ValueError("the first run"), ValueError("the second run"))
    with ConvexTest(app_with(lambda crons: crons.interval("x", MINUTE, function)), now=START) as convex:
        convex.advance(minutes=2)
        assert [kind for kind, _ in history(convex, "x")] == ["failed", "failed", "success"]
        assert planned.times == 3


@promise("C10")
def test_a_cron_tries_again_after_internal_errors_but_no_action() -> None:
    def declare(crons: Crons) -> None:
        crons.interval("m", HOUR, work)
        crons.cron("a", "30 * * * *", act)

    planned.reset(a_conflict(), a_conflict())
    with ConvexTest(app_with(declare), now=START) as convex:
        convex.advance(minutes=29)
        assert [(kind, slot) for kind, slot in history(convex, "m")] == [("success", START)]
        planned.reset(a_conflict())
        convex.advance(minutes=2)
        assert [kind for kind, _ in history(convex, "a")] == ["failed"]
        assert planned.times == 1


@promise("C12")
def test_every_run_is_a_row_with_the_name_of_its_cron() -> None:
    with ConvexTest(app_with(lambda crons: crons.cron("x", "0 * * * *", act, "by position")), now=START) as convex:
        convex.advance(hours=2)
        for job, hours in zip(reversed(convex.jobs()), (1, 2), strict=True):
            assert (job.cron, job.name, job.args) == ("x", "made:act", {"label": "by position"})
            assert (job.scheduled_time, job.state.kind) == (START + hours * HOUR, "success")
            assert job.to_json()["cron"] == "x"


def test_a_cron_can_be_run_by_hand_besides_its_slots() -> None:
    with ConvexTest(app_with(lambda crons: crons.cron("x", "0 9 * * *", work)), now=START) as convex:
        convex.call("_system/crons:run", {"name": "x"})
        convex.run_due()
        assert ran == [START]
        convex.advance(hours=21)
        assert ran == [START, START + 21 * HOUR]
