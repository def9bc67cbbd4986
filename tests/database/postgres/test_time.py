"""Jobs are due by the server's time, whatever the clock of this machine says."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import URL

from convexpy import Convex, MutationCtx, mutation
from convexpy import clock as local_clock
from convexpy.database.postgres import clock as module
from convexpy.database.postgres.clock import ServerClock

from .conftest import rows


@mutation
def plan(ctx: MutationCtx) -> None:
    ctx.schedule.after(timedelta(hours=1), nothing)
    ctx.schedule.now(nothing)


@mutation
def nothing(ctx: MutationCtx) -> None:
    """It runs."""


class WrongLocalTime(datetime):
    """A machine that is a day ahead."""

    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return datetime.fromtimestamp(time.time(), tz) + timedelta(days=1)


def driver_for(url: URL) -> psycopg.Connection[Any]:
    return psycopg.connect(host=url.host, port=url.port, user=url.username, dbname=url.database, autocommit=True)


def server_time(driver: psycopg.Connection[Any]) -> datetime:
    row = driver.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    return row[0].astimezone(UTC)  # type: ignore[no-any-return]


def test_the_clock_is_never_ahead_of_the_servers(url: URL) -> None:
    clock = ServerClock()
    with driver_for(url) as driver:
        for _ in range(50):
            clock.synchronize(driver)
            ours = clock.now()
            assert ours <= server_time(driver)
            assert server_time(driver) - clock.now() < timedelta(seconds=5)


def test_it_is_synchronized_again_and_follows_a_server_that_jumped(url: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    passed = [0.0]
    monkeypatch.setattr(module, "steady", lambda: passed[0])
    clock = ServerClock()
    assert clock.is_stale()
    with driver_for(url) as driver:
        clock.synchronize(driver)
        before = clock.now()
        passed[0] = 9.0
        assert (clock.is_stale(), clock.now() - before) == (False, timedelta(seconds=9))
        passed[0] = 11.0
        assert clock.is_stale()
        clock.synchronize(driver)
        assert abs(clock.now() - server_time(driver)) < timedelta(seconds=5)


def test_a_machine_whose_clock_is_a_day_ahead_runs_nothing_early(
    convex: Convex, url: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_clock, "datetime", WrongLocalTime)
    assert abs(convex.clock.now() - datetime.fromtimestamp(time.time(), UTC)) < timedelta(hours=1)
    convex.run(plan)
    with convex.running():
        deadline = time.monotonic() + 30
        while not rows(url, "SELECT 1 FROM _convexpy_finished"):
            assert time.monotonic() < deadline
    assert rows(url, "SELECT count(*) FROM _scheduled_functions WHERE state_kind = 'pending'") == [(1,)]
    early = "SELECT count(*) FROM _scheduled_functions WHERE completed_time < scheduled_time OR completed_time > now()"
    assert rows(url, early) == [(0,)]
