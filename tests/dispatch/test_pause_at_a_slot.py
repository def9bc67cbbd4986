"""A pause and the firing of a slot at the same moment: one of them is first, and the other sees it."""

from __future__ import annotations

import pytest
from support.apps import START
from support.cron_app import HOUR, app_with, ran, work

from convexpy._system import crons as system
from convexpy.database.crons import due_crons
from convexpy.testing import ConvexTest

pytestmark = pytest.mark.usefixtures("no_cron_ran")


def test_a_pause_between_the_look_at_a_slot_and_its_firing_counts(database: str) -> None:
    """The slot is due already; the worker has read its row, and another transaction pauses the cron."""
    app = app_with(lambda crons: crons.interval("x", HOUR, work))
    with ConvexTest(app, database_url=database, now=START) as convex:
        convex.run_due()
        ran.clear()
        scheduler = convex.convex.worker.crons
        convex.clock.move_to(START + HOUR)
        with convex.convex.database.read_internal() as connection:
            (row,) = due_crons(connection, convex.now)
        convex.run(system.pause, name="x", until=START + 2 * HOUR)
        assert scheduler._fire(row, convex.now)
        convex.run_due()
        (job,) = convex.jobs(state="canceled")
        assert (ran, job.scheduled_time) == ([], START + HOUR)
        assert not scheduler._fire(row, convex.now)
