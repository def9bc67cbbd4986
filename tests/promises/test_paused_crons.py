"""A paused cron leaves its slots out until the time that was said, and then goes on by itself: on every worker, across
restarts, whatever becomes of ``crons.py`` meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from support.apps import START
from support.cron_app import HOUR, MINUTE, act, app_with, ran, work

from convexpy import ConvexError, Crons
from convexpy._system import crons as system
from convexpy.database.crons import due_crons
from convexpy.testing import ConvexTest

pytestmark = pytest.mark.usefixtures("no_cron_ran")


def hourly(crons: Crons) -> None:
    crons.interval("x", HOUR, work)


def by_the_clock(crons: Crons) -> None:
    crons.cron("x", "0 * * * *", work)


EACH_HOUR = pytest.mark.parametrize("declare", [hourly, by_the_clock], ids=["interval", "expression"])


def at(*hours: float) -> list[datetime]:
    """So many hours after the test began."""
    return [START + each * HOUR for each in hours]


def left_out(convex: ConvexTest) -> list[datetime]:
    """The slots that the history says were left out, the earliest first."""
    why = "left out: paused by local until 2030-01-07"
    jobs = [job for job in convex.jobs(state="canceled") if job.cron == "x"]
    return sorted(job.scheduled_time for job in jobs if str(job.state.error).startswith(why))


def deployed(database: str, declare: Callable[[Crons], object], hours: float) -> ConvexTest:
    """A worker that starts so many hours after the test began."""
    return ConvexTest(app_with(declare), database_url=database, now=START + hours * HOUR)


@EACH_HOUR
def test_slots_of_a_paused_cron_are_left_out_and_it_goes_on_by_itself(database: str, declare: Any) -> None:
    with deployed(database, declare, 0) as convex:
        convex.advance(minutes=90)
        ran.clear()
        convex.run(system.pause, name="x", until=START + 4 * HOUR, note="the bank moves")
        convex.advance(hours=4)
        assert ran == at(4, 5)  # the slot at the end of the pause runs
        assert left_out(convex) == at(2, 3)
        (strip,) = convex.run(system.runs, name="x")
        skipped = [run for run in strip.runs if run.outcome == "skipped"]
        assert [run.slot_time for run in skipped] == at(2, 3)
        assert {run.reason for run in skipped} == {
            "left out: paused by local until 2030-01-07 16:00 UTC: the bank moves"
        }


@EACH_HOUR
def test_a_pause_outlives_restarts_and_ends_while_nothing_runs(database: str, declare: Any) -> None:
    with deployed(database, declare, 0) as convex:
        convex.advance(minutes=30)
        convex.run(system.pause, name="x", until=START + 3 * HOUR)
    ran.clear()
    with deployed(database, declare, 1.5) as again:
        again.run_due()
        assert left_out(again) == at(1)
    with deployed(database, declare, 4.5) as last:
        last.advance(hours=1)
        assert ran == at(4.5, 5)  # the slot of 3:00 late, as after any downtime, and then in its phase
        assert left_out(last) == at(1, 2)
        late = [job for job in last.jobs(state="success") if job.scheduled_time == START + 3 * HOUR]
        assert len(late) == 1


def test_slots_that_pass_at_once_are_one_line(database: str) -> None:
    with deployed(database, hourly, 0) as convex:
        convex.run_due()
        convex.run(system.pause, name="x", until=START + 9 * HOUR)
    ran.clear()
    with deployed(database, hourly, 8.5) as late:
        late.run_due()
        (job,) = [job for job in late.jobs(state="canceled") if job.cron == "x"]
        assert "with 7 slots between 2030-01-07 13:00:00 and 2030-01-07 20:30:00 UTC" in str(job.state.error)
        late.advance(hours=1)
    assert ran == at(9)


def test_a_changed_timetable_or_function_stays_paused(database: str) -> None:
    with deployed(database, hourly, 0) as convex:
        convex.run_due()
        convex.run(system.pause, name="x", until=START + 4 * HOUR)
    ran.clear()
    with deployed(database, lambda crons: crons.cron("x", "30 * * * *", act, label="new"), 1) as changed:
        changed.advance(hours=4)
        assert ran == at(4.5)
        assert left_out(changed) == at(1.5, 2.5, 3.5)


def test_a_cron_that_is_removed_and_comes_back_is_still_paused(database: str) -> None:
    def other(crons: Crons) -> None:
        crons.interval("other", 24 * HOUR, work)

    with deployed(database, hourly, 0) as convex:
        convex.run_due()
        convex.run(system.pause, name="x", until=START + 4 * HOUR, note="not yet")
        convex.advance(hours=1)
    with deployed(database, other, 1.25) as without:
        without.run_due()
        assert [cron.name for cron in without.run(system.list)] == ["other"]
        assert [strip.name for strip in without.run(system.runs) if strip.is_removed] == ["x"]
    ran.clear()
    with deployed(database, hourly, 1.5) as back:
        (pause,) = [cron.pause for cron in back.run(system.list)]
        assert pause is not None
        assert (pause.until, pause.note) == (START + 4 * HOUR, "not yet")
        back.advance(hours=3)
        assert ran == at(4)


def test_every_worker_leaves_the_slots_out(database: str) -> None:
    with deployed(database, hourly, 0) as one, deployed(database, hourly, 0) as other:
        one.run_due()
        ran.clear()
        one.run(system.pause, name="x", until=START + 3 * HOUR)
        for _ in range(4):
            other.advance(hours=1)
            one.advance(hours=1)
        assert ran == at(3, 4)
        assert left_out(one) == at(1, 2)


def test_a_resumed_cron_runs_from_its_next_slot_on(database: str) -> None:
    with deployed(database, hourly, 0) as convex:
        convex.run_due()
        ran.clear()
        convex.run(system.pause, name="x", until=START + 9 * HOUR)
        convex.advance(minutes=90)
        convex.run(system.resume, name="x")
        convex.advance(hours=1)
        assert (ran, left_out(convex)) == (at(2), at(1))
        with pytest.raises(ConvexError, match="cron 'x' is not paused"):
            convex.run(system.resume, name="x")


def test_resumed_while_nothing_runs_what_was_left_out_stays_so(database: str) -> None:
    with deployed(database, hourly, 0) as convex:
        convex.run_due()
        convex.run(system.pause, name="x", until=START + 9 * HOUR)
        convex.clock.move_to(START + 2.5 * HOUR)
        convex.run(system.resume, name="x")
    ran.clear()
    with deployed(database, hourly, 2.75) as again:
        again.advance(hours=1)
    assert ran == at(3)


def test_a_paused_cron_is_run_by_hand(database: str) -> None:
    with deployed(database, hourly, 0) as convex:
        convex.run_due()
        ran.clear()
        convex.run(system.pause, name="x", until=START + 3 * HOUR)
        convex.advance(minutes=10)
        convex.run(system.run, name="x")
        convex.advance(hours=2)
        assert ran == [START + 10 * MINUTE]
        assert left_out(convex) == at(1, 2)


def test_a_pause_that_comes_between_the_look_and_the_firing_counts(database: str) -> None:
    """The slot is due already; the worker has read its row, and another transaction pauses the cron."""
    with deployed(database, hourly, 0) as convex:
        convex.run_due()
        ran.clear()
        scheduler = convex.convex.worker.crons
        convex.clock.move_to(START + HOUR)
        with convex.convex.database.read_internal() as connection:
            (row,) = due_crons(connection, convex.now)
        convex.run(system.pause, name="x", until=START + 2 * HOUR)
        assert scheduler._fire(row, convex.now)
        convex.run_due()
        assert (ran, left_out(convex)) == ([], at(1))
        assert not scheduler._fire(row, convex.now)


@pytest.mark.parametrize("until", [timedelta(0), timedelta(days=-1), timedelta(days=400)], ids=str)
def test_a_pause_has_an_end_that_is_ahead_and_not_too_far(database: str, until: timedelta) -> None:
    with deployed(database, hourly, 0) as convex:
        convex.run_due()
        with pytest.raises(ConvexError, match="a pause ends within a year"):
            convex.run(system.pause, name="x", until=START + until)
        with pytest.raises(ConvexError):
            convex.call("_system/crons:pause", {"name": "x"})  # never without an end
