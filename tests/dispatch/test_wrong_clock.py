"""A clock that is far ahead for a moment and then right again: what it has written does not wait for that time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from types import ModuleType

import pytest
from support.apps import START, app_of
from support.cron_app import HOUR, app_with, planned, ran, work
from support.faults import a_conflict

from convexpy import Convex, Crons, JobId, MutationCtx, mutation
from convexpy.clock import Clock
from convexpy.functions.declare import Kind
from convexpy.testing.worker import VirtualWorker

pytestmark = pytest.mark.usefixtures("no_cron_ran")

AHEAD = timedelta(days=400)
TIMETABLES: dict[str, Callable[[Crons], object]] = {
    "interval": lambda crons: crons.interval("x", HOUR, work),
    "cron": lambda crons: crons.cron("x", "0 * * * *", work),
}


class SettableClock(Clock):
    def __init__(self) -> None:
        self.time = START

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None: ...


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@contextmanager
def running(database: str, app: ModuleType, clock: Clock) -> Iterator[VirtualWorker]:
    """A process that is moved by hand, at its start."""
    convex = Convex(database, functions=app, clock=clock)
    convex.migrate()
    worker = VirtualWorker(convex)
    worker.start()
    try:
        yield worker
    finally:
        worker.close()


@mutation
def later(ctx: MutationCtx, days: float) -> JobId:
    return ctx.schedule.after(timedelta(days=days), work)


@pytest.mark.parametrize("has_run", [True, False], ids=["ran", "claimed by none"])
@pytest.mark.parametrize("restart", [True, False], ids=["restarted", "running"])
@pytest.mark.parametrize("timetable", TIMETABLES)
@pytest.mark.in_turns
def test_a_cron_goes_on(database: str, clock: SettableClock, timetable: str, restart: bool, has_run: bool) -> None:
    app = app_with(TIMETABLES[timetable])
    with running(database, app, clock) as worker:
        worker.run_due()
        clock.time += HOUR / 2 + AHEAD
        worker.fire_crons()
        if has_run:
            worker.run_due()
        clock.time -= AHEAD
        if not restart:
            follow(worker, clock, has_run)
    if restart:
        with running(database, app, clock) as worker:
            follow(worker, clock, has_run)


def follow(worker: VirtualWorker, clock: SettableClock, has_run: bool) -> None:
    """The slot that fired too early runs at its time, unless it has run; the next one as if nothing had been."""
    for _ in range(4):
        worker.maintain()
        worker.run_due()
        clock.time += HOUR / 2
    first = START + HOUR / 2 + AHEAD if has_run else START + HOUR
    assert [moment for moment in ran if moment > START] == [first, START + 2 * HOUR]


def test_a_retry_goes_on(database: str, clock: SettableClock) -> None:
    with running(database, app_of(work, later), clock) as worker:
        worker.convex.run(later, days=0)
        planned.reset(a_conflict())
        clock.time += AHEAD
        worker.worker.run_due(Kind.MUTATION)
        clock.time -= AHEAD
        worker.maintain()
        assert worker.run_due() == 1
        assert ran == [START]


def test_what_a_function_scheduled_for_later_stays_as_it_is(database: str, clock: SettableClock) -> None:
    with running(database, app_of(work, later), clock) as worker:
        worker.convex.run(later, days=400)
        clock.time += timedelta(days=1)
        worker.maintain()
        clock.time -= timedelta(days=1)
        worker.maintain()
        assert worker.next_moment() == START + AHEAD


def test_a_clock_that_is_set_back_a_little_fires_no_slot_twice(database: str, clock: SettableClock) -> None:
    with running(database, app_with(TIMETABLES["interval"]), clock) as worker:
        worker.run_due()
        clock.time += HOUR
        worker.run_due()
        clock.time -= timedelta(seconds=30)
        for _ in range(2):
            worker.maintain()
            worker.run_due()
        clock.time += timedelta(seconds=40)
        worker.run_due()
        assert len(ran) == 2


def test_a_worker_whose_own_clock_is_behind_derives_nothing_afresh(database: str, clock: SettableClock) -> None:
    app = app_with(TIMETABLES["interval"])
    with running(database, app, clock) as worker:
        worker.run_due()
        behind = SettableClock()
        behind.time -= AHEAD
        with running(database, app, behind) as other:
            for _ in range(3):
                worker.worker.heartbeat.beat()
                other.maintain()
                other.run_due()
        assert worker.worker.crons.next_slot() == START + HOUR
        assert ran == [START]


def test_a_worker_that_died_under_a_clock_ahead_is_given_up(database: str, clock: SettableClock) -> None:
    with running(database, app_of(work, later), clock) as worker:
        dead = Convex(database, functions=app_of(work, later), clock=clock)
        dead.migrate()
        worker.convex.run(later, days=0)
        clock.time += AHEAD
        dead.worker.prepare(dead.app)
        (claim,) = dead.worker.dispatcher.claim(Kind.MUTATION, 1)
        dead.close()
        clock.time -= AHEAD
        for _ in range(3):
            worker.worker.heartbeat.beat()
            worker.worker.recovery.recover_dead()
            clock.time += timedelta(minutes=1)
        assert (worker.run_due(), claim.attempt) == (1, 1)
