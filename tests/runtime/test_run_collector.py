"""Runs are summed up by minute, and stored every few seconds: nothing is counted twice, and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from support.faults import PlannedErrors, a_conflict

from convexpy import Convex, ConvexError, MutationCtx, mutation
from convexpy.database import tables
from convexpy.database.minutes import MINUTE, RunSums, minute_of, sums_by_function, sums_by_minute
from convexpy.functions.declare import Kind
from convexpy.runtime.events import Run
from convexpy.runtime.run_collector import RunCollector
from convexpy.testing import ConvexTest

planned = PlannedErrors()


@pytest.fixture(autouse=True)
def no_errors_are_planned() -> None:
    planned.reset()


@mutation
def work(ctx: MutationCtx) -> None:
    planned.raise_next()


@mutation
def plan(ctx: MutationCtx, times: int = 1) -> None:
    for _ in range(times):
        ctx.schedule.now(work)


NAME = f"{__name__}:work"


@pytest.fixture
def collector(convex: ConvexTest) -> RunCollector:
    """Of the app under test: it collects, and stores when it is told to."""
    convex.convex.calls.collect_runs()
    return convex.convex.calls.collector


def counts(sums: RunSums) -> tuple[int, int, int, int, int]:
    return sums.calls, sums.failures, sums.retries, sums.jobs, sums.job_failures


def last_minute(convex: ConvexTest, function: str | None = None) -> RunSums:
    with convex.convex.database.read_internal() as connection:
        return sums_by_minute(connection, convex.now, 1, function)[-1].sums


def fail(convex: ConvexTest) -> None:
    planned.reset(ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        convex.run(work)


def test_calls_failures_and_jobs_are_counted(convex: ConvexTest, collector: RunCollector) -> None:
    for _ in range(3):
        convex.run(work)
    fail(convex)
    convex.run(plan, times=2)
    planned.reset(ValueError("as a job"))
    convex.run_due()
    collector.flush()
    assert counts(last_minute(convex, NAME)) == (6, 2, 0, 2, 1)
    assert counts(last_minute(convex)) == (7, 2, 0, 2, 1)  # and `plan`
    assert sum(last_minute(convex, NAME).durations.values()) == 6


def test_an_attempt_that_is_made_again_is_no_call(convex: ConvexTest, collector: RunCollector) -> None:
    convex.run(plan)
    planned.reset(a_conflict())
    convex.run_due()
    collector.flush()
    assert counts(last_minute(convex, NAME)) == (0, 0, 1, 0, 0)
    convex.advance(minutes=1)
    collector.flush()
    assert counts(last_minute(convex, NAME)) == (0, 0, 0, 0, 0)
    with convex.convex.database.read_internal() as connection:
        total = sums_by_function(connection, convex.now, 2)
    assert [(each.function, counts(each.sums)) for each in total if each.function == NAME] == [(NAME, (1, 0, 1, 1, 0))]


def test_a_minute_that_is_stored_again_is_not_counted_twice(convex: ConvexTest, collector: RunCollector) -> None:
    for calls in (1, 2, 3):
        convex.run(work)
        collector.flush()
        collector.flush()
        assert last_minute(convex, NAME).calls == calls


def test_sums_of_processes_add_up(convex: ConvexTest, database: str, collector: RunCollector) -> None:
    with Convex(database, functions=convex.convex._functions, clock=convex.clock) as other:
        other._is_migrated = True
        other.calls.collect_runs()
        for each in (convex.run, convex.run, other.run):
            each(work)
        other.calls.collector.flush()
        collector.flush()
    assert last_minute(convex, NAME).calls == last_minute(convex).calls == 3


def test_minutes_are_in_order_and_those_without_a_run_are_there(convex: ConvexTest, collector: RunCollector) -> None:
    convex.run(work)
    convex.advance(minutes=2)
    for _ in range(2):
        convex.run(work)
    collector.flush()
    with convex.convex.database.read_internal() as connection:
        found = sums_by_minute(connection, convex.now, 4)
        (function,) = sums_by_function(connection, convex.now, 4)
    assert [sums.calls for _, sums in found] == [0, 1, 0, 2]
    assert [when for when, _ in found] == [minute_of(convex.now) - MINUTE * back for back in (3, 2, 1, 0)]
    assert (function.function, function.calls, function.failures) == (NAME, [0, 1, 0, 2], [0, 0, 0, 0])


def run_of(convex: ConvexTest, seconds: float, **values: Any) -> Run:
    return Run(NAME, Kind.MUTATION, convex.now, seconds, values.pop("outcome", "success"), **values)


def test_durations_are_told_to_a_fifth(convex: ConvexTest, collector: RunCollector) -> None:
    for milliseconds in range(1, 1001):
        collector.add(run_of(convex, milliseconds / 1000))
    collector.flush()
    sums = last_minute(convex, NAME)
    assert sums.p50 == pytest.approx(0.5, rel=0.2)
    assert sums.p95 == pytest.approx(0.95, rel=0.2)
    assert (RunSums().p50, RunSums().p95) == (None, None)


def test_an_idle_process_plans_nothing_and_stores_nothing(convex: ConvexTest, collector: RunCollector) -> None:
    collector.flush()
    assert collector._next_flush is None
    convex.call("_system/jobs:list")  # to look is not to work
    assert collector._next_flush is None
    convex.run(work)
    assert collector._next_flush is not None
    collector.flush()
    assert collector._next_flush is None
    collector._database = None  # type: ignore[assignment]  # from here on it may not be asked
    collector.flush()


@contextmanager
def table_is_away(convex: ConvexTest, name: str) -> Iterator[None]:
    """A table has another name, so whatever needs it fails."""

    def rename(old: str, new: str) -> None:
        with convex.convex.database.ddl() as connection:
            connection.exec_driver_sql(f"ALTER TABLE {old} RENAME TO {new}")

    rename(name, f"{name}_away")
    try:
        yield
    finally:
        rename(f"{name}_away", name)


@pytest.mark.parametrize("table", ["_convexpy_minutes", "_convexpy_errors"])
def test_a_flush_that_fails_loses_nothing(convex: ConvexTest, collector: RunCollector, table: str) -> None:
    fail(convex)
    with table_is_away(convex, table):
        with pytest.raises(DBAPIError):
            collector.flush()
        collector.try_to_flush()
        assert collector._next_flush is not None  # it is tried again
        fail(convex)
    collector.flush()
    assert counts(last_minute(convex, NAME)) == (2, 2, 0, 0, 0)
    with convex.convex.database.read_internal() as connection:
        assert connection.execute(select(tables.errors.c.times)).scalars().all() == [2]


def test_what_cannot_be_stored_is_bounded(
    convex: ConvexTest, collector: RunCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convexpy.runtime.collected_runs.MOST_SUMS", 6)
    for _ in range(5):
        convex.run(work)
        with table_is_away(convex, "_convexpy_minutes"):
            collector.try_to_flush()
        convex.advance(minutes=1)
    convex.run(work)
    collector.flush()
    with convex.convex.database.read_internal() as connection:
        assert [sums.calls for _, sums in sums_by_minute(connection, convex.now, 6)] == [0, 0, 0, 1, 1, 1]


def test_a_call_that_its_caller_has_left_is_no_failure(convex: ConvexTest, collector: RunCollector) -> None:
    collector.add(run_of(convex, 0.1, outcome="failed", error="CancelledError", exception=KeyboardInterrupt()))
    collector.add(run_of(convex, 0.1, outcome="lost"))
    collector.flush()
    assert counts(last_minute(convex, NAME)) == (1, 0, 0, 0, 0)


def test_old_minutes_are_purged(convex: ConvexTest, collector: RunCollector) -> None:
    convex.run(work)
    collector.flush()
    convex.advance(timedelta(days=7, minutes=-1))
    convex.run(work)
    collector.flush()
    count = select(tables.minutes.c.minute).where(tables.minutes.c.function == NAME)
    with convex.convex.database.read_internal() as connection:
        assert len(connection.execute(count).all()) == 2
    convex.advance(minutes=2)
    convex.convex.worker.retention.purge()
    with convex.convex.database.read_internal() as connection:
        assert len(connection.execute(count).all()) == 1


def test_what_is_left_is_stored_as_the_app_stops(convex: ConvexTest, database: str) -> None:
    with Convex(database, functions=convex.convex._functions, clock=convex.clock) as other:
        with other.running():
            other.run(work)
        assert last_minute(convex, NAME).calls == 1
        with pytest.raises(ConvexError):
            other.call("unknown:function")
    assert last_minute(convex, NAME).calls == 1


def test_a_process_that_only_calls_collects_nothing(convex: ConvexTest, database: str) -> None:
    with Convex(database, functions=convex.convex._functions, clock=convex.clock) as other:
        other.run(work)
    assert last_minute(convex).calls == 0
