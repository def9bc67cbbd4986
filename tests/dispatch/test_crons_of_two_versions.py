"""Workers of two versions of an app side by side: the crons that are stored are those that live workers declare."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import TypeAlias

import pytest
from sqlalchemy import delete
from support.apps import START
from support.cron_app import HOUR, MINUTE, act, app_with, ran, work

from convexpy import Crons
from convexpy.database import crons as stored
from convexpy.database.tables import crons, workers
from convexpy.testing import ConvexTest

pytestmark = pytest.mark.usefixtures("no_cron_ran")

Deploy: TypeAlias = Callable[..., ConvexTest]


def old(crons: Crons) -> None:
    crons.interval("in both", HOUR, work)
    crons.interval("dropped", HOUR, work)
    crons.cron("moved", "0 9 * * *", work)


def new(crons: Crons) -> None:
    crons.interval("in both", HOUR, act)
    crons.interval("added", HOUR, work)
    crons.cron("moved", "0 15 * * *", work)


@pytest.fixture
def deploy(database: str) -> Iterator[Deploy]:
    """Starts a worker of a version, some seconds after the test begins."""
    with ExitStack() as stack:

        def start(declare: Callable[[Crons], object], seconds: float = 0) -> ConvexTest:
            begins = START + timedelta(seconds=seconds)
            return stack.enter_context(ConvexTest(app_with(declare), database_url=database, now=begins))

        yield start


def leave(worker: ConvexTest) -> None:
    """The worker stops, as in a deploy."""
    worker.convex.worker.heartbeat.leave()


def declared(worker: ConvexTest) -> dict[str, tuple[str, str]]:
    """The schedule and the function of each stored cron."""
    with worker.convex.database.read_internal() as connection:
        return {name: (row.schedule, row.function) for name, row in stored.stored_crons(connection).items()}


def slots(worker: ConvexTest) -> dict[str, datetime]:
    with worker.convex.database.read_internal() as connection:
        return {name: row.next_time for name, row in stored.stored_crons(connection).items()}


def live_on(*workers: ConvexTest, rounds: int = 3) -> None:
    for _ in range(rounds):
        for worker in workers:
            worker.convex.worker.heartbeat.tick()
            worker.convex.worker.crons.reconcile()


def test_a_restart_of_the_old_version_takes_no_cron_away(deploy: Deploy) -> None:
    before, after = deploy(old), deploy(new, seconds=1)
    again = deploy(old, seconds=2)
    assert set(declared(after)) == {"in both", "dropped", "moved", "added"}
    leave(before)
    live_on(after, again)
    assert set(declared(after)) == {"in both", "dropped", "moved", "added"}
    leave(again)
    live_on(after)
    assert declared(after) == {
        "in both": ("interval 3600s", "made:act"),
        "added": ("interval 3600s", "made:work"),
        "moved": ("cron 0 15 * * *", "made:work"),
    }


def test_where_two_versions_differ_the_latest_start_decides(deploy: Deploy) -> None:
    before, after = deploy(old), deploy(new, seconds=1)
    assert declared(after)["moved"] == ("cron 0 15 * * *", "made:work")
    assert declared(after)["in both"] == ("interval 3600s", "made:act")
    found = slots(after)
    live_on(before, after)
    assert declared(after)["in both"] == ("interval 3600s", "made:act")
    assert slots(after) == found, "a slot moves to and fro"
    again = deploy(old, seconds=2)
    assert declared(after)["moved"] == ("cron 0 9 * * *", "made:work")
    leave(again)
    live_on(before, after)
    assert declared(after)["moved"] == ("cron 0 15 * * *", "made:work")
    assert slots(after) == found


def test_a_slot_that_came_during_a_deploy_is_kept(deploy: Deploy) -> None:
    before = deploy(old)
    before.run_due()
    leave(before)
    after = deploy(new, seconds=2.5 * 3600)  # only the function of this cron is another one
    assert declared(after)["in both"] == ("interval 3600s", "made:act")
    assert slots(after)["in both"] == START + HOUR


def test_a_cron_that_is_missing_is_added_again_and_keeps_its_phase(deploy: Deploy) -> None:
    before, after = deploy(old), deploy(new)
    after.run_due()
    runs = len(ran)
    leave(after)  # it was silent for so long that it was given up
    live_on(before)
    assert "added" not in declared(before)
    after.advance(minutes=10)  # it wakes, and is registered anew
    assert slots(after)["added"] == START + HOUR
    after.run_due()
    assert len(ran) == runs, "it runs at once, though it has just run"
    after.advance(minutes=50)
    assert ran[runs:] != []


def test_a_cron_that_is_deleted_by_hand_comes_back(deploy: Deploy) -> None:
    worker = deploy(new)
    with worker.db() as db:
        db.execute(delete(crons).where(crons.c.name == "added"))
    live_on(worker)
    assert set(declared(worker)) == {"in both", "added", "moved"}


def test_a_worker_that_was_given_up_removes_nothing(deploy: Deploy) -> None:
    worker = deploy(new)
    worker.run_due()
    found = slots(worker)
    with worker.db() as db:
        db.execute(delete(workers))
    worker.convex.worker.crons.reconcile()
    assert slots(worker) == found
    live_on(worker)
    assert slots(worker) == found


def test_a_start_under_a_clock_that_was_ahead_decides_no_longer_than_that(deploy: Deploy) -> None:
    ahead = deploy(old, seconds=400 * 24 * 3600)
    ahead.clock._now = START  # it is right again
    live_on(ahead)
    after = deploy(new, seconds=1)
    assert declared(after)["moved"] == ("cron 0 15 * * *", "made:work")


def test_a_run_of_a_cron_that_was_missing_is_still_the_only_one(deploy: Deploy) -> None:
    before, after = deploy(old), deploy(new)
    after.convex.worker.crons.tick()  # its run is a job, which nothing has run yet
    leave(after)
    live_on(before)
    after.clock.move_to(START + 2 * HOUR + MINUTE)
    live_on(after)
    after.convex.worker.crons.tick()
    states = [job.state.kind for job in after.jobs() if job.cron == "added"]
    assert states.count("pending") == 1
