"""A slot fires once, however many workers find it due at the same moment.

==== ======================================================================================
C8   test_each_slot_fires_once_however_many_workers_there_are
==== ======================================================================================
"""

from __future__ import annotations

from typing import Any

import pytest
from support.apps import START
from support.cron_app import MINUTE, app_with, ran, work

from convexpy import Convex
from convexpy.database import crons
from convexpy.dispatch.cron_scheduler import CronScheduler
from convexpy.testing import ConvexTest

promise = pytest.mark.promise
pytestmark = pytest.mark.usefixtures("no_cron_ran")


@promise("C8")
def test_each_slot_fires_once_however_many_workers_there_are(database: str) -> None:
    app = app_with(lambda crons: crons.interval("x", MINUTE, work))
    with ConvexTest(app, database_url=database, now=START) as convex:
        others = [Convex(database, functions=app, clock=convex.clock) for _ in range(3)]
        try:
            for other in others:
                other.migrate()
                other.worker.prepare(other.app)
            for _ in range(5):
                schedulers = [other.worker.crons for other in (*others, convex.convex)]
                # All of them look before any of them fires.
                found = [(scheduler, due_rows(scheduler, convex)) for scheduler in schedulers]
                for scheduler, rows in found:
                    for row in rows:
                        scheduler._fire(row, convex.now)
                convex.run_due()
                convex.clock.move_to(convex.now + MINUTE)
        finally:
            for other in others:
                other.close()
        assert ran == [START + n * MINUTE for n in range(5)]
        jobs = [job for job in convex.jobs() if job.cron == "x"]
        slots = sorted((job.scheduled_time, job.state.kind) for job in jobs)
        assert slots == [(START + n * MINUTE, "success") for n in range(5)]


@promise("C8")
def test_a_worker_that_looked_long_ago_takes_no_slot_and_moves_none(database: str) -> None:
    app = app_with(lambda crons: crons.interval("x", MINUTE, work))
    with ConvexTest(app, database_url=database, now=START) as convex:
        scheduler = convex.convex.worker.crons
        seen_long_ago = due_rows(scheduler, convex)
        assert seen_long_ago
        convex.advance(minutes=5)
        following = scheduler.next_slot()
        for row in seen_long_ago:
            assert not scheduler._fire(row, convex.now)
        assert scheduler.next_slot() == following


def due_rows(scheduler: CronScheduler, convex: ConvexTest) -> list[Any]:
    with scheduler._database.read_internal() as connection:
        return crons.due_crons(connection, convex.now)
