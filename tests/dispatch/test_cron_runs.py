"""The last runs of each cron are kept with it: when, for how long, how they ended, and why slots were left out."""

from __future__ import annotations

from datetime import timedelta

import pytest
from support.apps import START

from convexpy import Crons, MutationCtx, internal_mutation
from convexpy.database.cron_runs import KEPT, CronRun, add_skipped, recent_runs
from convexpy.testing import ConvexTest

broken: list[bool] = []


@internal_mutation
def sweep(ctx: MutationCtx) -> None:
    if broken:
        raise ValueError("it is broken")


crons = Crons()
crons.interval("often", sweep, minutes=10)
crons.interval("seldom", sweep, hours=1)


@pytest.fixture(autouse=True)
def nothing_is_broken() -> None:
    broken.clear()


def runs(convex: ConvexTest, cron: str | None = None) -> dict[str, list[CronRun]]:
    convex.convex.calls.collector.flush()
    with convex.convex.database.read_internal() as connection:
        return recent_runs(connection, cron)


def test_runs_of_a_cron_are_remembered_by_their_slots(convex: ConvexTest) -> None:
    convex.convex.calls.collect_runs()
    convex.advance(minutes=15)
    broken.append(True)
    convex.advance(minutes=10)
    found = runs(convex, "often")["often"]
    assert [(run.slot_time - START) / timedelta(minutes=1) for run in found] == [0, 10, 20]
    assert [run.outcome for run in found] == ["success", "success", "failed"]
    jobs = [job for job in convex.jobs() if job.cron == "often"]
    assert sorted(run.job_id or "" for run in found) == sorted(job.id for job in jobs)
    assert all(run.seconds is not None and 0 < run.seconds < 30 for run in found)
    assert {name: len(each) for name, each in runs(convex).items()} == {"often": 3, "seldom": 1}


def test_the_last_thirty_are_kept_of_each(convex: ConvexTest) -> None:
    convex.convex.calls.collect_runs()
    slots = [START - timedelta(hours=hours) for hours in range(1, 32)]
    with convex.convex.database.write_internal() as connection:
        for slot in slots:
            add_skipped(connection, "often", slot, "paused")
        add_skipped(connection, "seldom", slots[0], "paused")
    convex.run_due()
    found = runs(convex)
    assert (len(found["often"]), len(found["seldom"])) == (KEPT, 2)
    assert [run.slot_time for run in found["often"]] == [*reversed(slots[: KEPT - 1]), START]


def test_a_slot_that_is_left_out_is_there_with_the_reason(convex: ConvexTest) -> None:
    with convex.convex.database.write_internal() as connection:
        for _ in range(2):
            add_skipped(connection, "often", START, "paused: the shop is closed")
    (skipped,) = runs(convex, "often")["often"]
    assert skipped == CronRun("often", START, None, None, None, "skipped", "paused: the shop is closed")


def test_slots_that_came_while_nothing_ran_are_left_out(convex: ConvexTest) -> None:
    convex.advance(minutes=1)
    convex.clock.move_to(convex.now + timedelta(hours=2))
    convex.run_due()
    reasons = [run.reason or "" for run in runs(convex, "often")["often"] if run.outcome == "skipped"]
    assert len(reasons) == 1
    assert "nothing was running then" in reasons[0]
