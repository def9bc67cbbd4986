"""``_system/health``: what was run and what is late, who runs it, and what the doctor finds."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import insert
from support.plans import explained, scanned
from support.waiting import wait_until

from convexpy import ActionCtx, MutationCtx, action, mutation
from convexpy._system import health
from convexpy.clock import unix_milliseconds
from convexpy.database import workers
from convexpy.database.health_figures import spans, sums_of_spans, worker_figures
from convexpy.database.minutes import ALL_FUNCTIONS, RunSums, StoredMinute, minute_of, store_minutes
from convexpy.database.tables import queue
from convexpy.database.types import new_job_id
from convexpy.doctor.finding import Finding, note, ok, risk
from convexpy.testing import ConvexTest


@mutation
def place_order(ctx: MutationCtx) -> None: ...


@action
async def charge(ctx: ActionCtx) -> None: ...


def store(convex: ConvexTest, minute: datetime, function: str = ALL_FUNCTIONS, process: str = "p", **sums: Any) -> None:
    with convex.convex.database.write_internal() as connection:
        store_minutes(connection, [StoredMinute(minute_of(minute), function, process, RunSums(**sums))])


def figures(convex: ConvexTest, minutes: int = 60) -> dict[str, Any]:
    found: dict[str, Any] = convex.call("_system/health:figures", {"minutes": minutes})
    return found


def test_the_last_hour_is_shown_minute_by_minute_over_all_processes(convex: ConvexTest) -> None:
    minute = timedelta(minutes=1)
    store(convex, convex.now - minute, calls=120, jobs=60, failures=2, retries=3, durations={0: 120})
    store(convex, convex.now - minute, process="q", calls=60, jobs=60)
    store(convex, convex.now - minute, function="shop:place", calls=180, jobs=120)
    store(convex, convex.now, calls=9_999)  # this minute is not over
    store(convex, convex.now - 61 * minute, calls=9_999)
    found = figures(convex)
    assert len(found["points"]) == 60
    last, before = found["points"][-1], found["points"][-2]
    assert (last["calls"], last["jobs"], last["failures"], last["retries"]) == (3.0, 2.0, 2, 3)
    assert last["start"] == unix_milliseconds(minute_of(convex.now) - minute)
    assert last["p50"] is not None
    assert (before["calls"], before["p50"], before["delay"]) == (0.0, None, None)
    assert (found["calls"], found["retries"], found["late"]) == (180, 3, 0.0)


@pytest.mark.parametrize(("minutes", "points", "length"), [(1440, 96, 15), (10_080, 84, 120)])
def test_of_a_day_and_a_week_some_minutes_stand_for_all(
    convex: ConvexTest, minutes: int, points: int, length: int
) -> None:
    for span in spans(convex.now, points, length, health.SPANS[minutes][2])[-2:]:
        for each in span.minutes:
            store(convex, each, calls=60)
    found = figures(convex, minutes)
    assert (len(found["points"]), found["minutes"]) == (points, length)
    assert [point["calls"] for point in found["points"][-3:]] == [0.0, 1.0, 1.0]
    starts = [point["start"] for point in found["points"]]
    assert {later - earlier for earlier, later in pairwise(starts)} == {length * 60_000}


def test_a_job_that_waits_is_late(convex: ConvexTest) -> None:
    waiting = {"kind": "mutation", "due_time": convex.now - timedelta(seconds=4), "position": 1}
    with convex.convex.database.write_internal() as connection:
        connection.execute(insert(queue).values(job_id=new_job_id(), **waiting))
    assert figures(convex)["late"] == 4000.0


def test_workers_are_alive_or_lost_and_hold_jobs(convex: ConvexTest) -> None:
    lost = convex.now - timedelta(minutes=5)
    with convex.convex.database.write_internal() as connection:
        workers.register(connection, "a" * 32, convex.now, workers.Version(convex.now, {}))
        workers.register(connection, "b" * 32, lost, workers.Version(lost, {}))
        for kind, count in (("mutation", 3), ("action", 2)):
            claimed = {"kind": kind, "due_time": convex.now, "position": 1, "worker": "a" * 32}
            connection.execute(insert(queue), [{"job_id": new_job_id(), **claimed} for _ in range(count)])
    found = convex.call("_system/health:workers")
    alive, silent = [each for each in found["workers"] if each["id"] in ("a" * 32, "b" * 32)]
    assert (alive["isAlive"], alive["mutations"], alive["actions"]) == (True, 3, 2)
    assert (silent["isAlive"], silent["mutations"], silent["actions"]) == (False, 0, 0)
    assert found["actionConcurrency"] == convex.convex.settings.action_concurrency


def test_the_database_says_how_large_it_is(convex: ConvexTest) -> None:
    found = convex.call("_system/health:database")
    assert found["size"] > 10_000
    if found["kind"] == "SQLite":
        assert (found["logSize"] is None, found["allConnections"]) == (False, None)
    else:
        assert 0 < found["ownConnections"] <= found["allConnections"] <= found["mostConnections"]


def findings(convex: ConvexTest, since: datetime) -> dict[str, Any]:
    found: dict[str, Any] = convex.call("_system/health:findings", {"since": unix_milliseconds(since)})
    return found


def test_the_doctor_looks_when_it_is_asked_and_not_again_at_once(
    convex: ConvexTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    visits: list[threading.Thread] = []
    may_end = threading.Event()

    def look(*about: Any) -> list[Finding]:
        visits.append(threading.current_thread())
        assert may_end.wait(20)
        return [ok("clock", "right"), risk("durability", "off", "why", "todo"), note("indexes", "none", "why", "todo")]

    monkeypatch.setattr(health, "look_at", look)
    assert findings(convex, convex.now) == {"findings": [], "checkedTime": None, "problem": None, "isLooking": True}
    assert findings(convex, convex.now)["isLooking"]
    may_end.set()
    visits[0].join()
    found = findings(convex, convex.now)
    assert [each["mark"] for each in found["findings"]] == ["risk", "note", "ok"]
    assert (found["checkedTime"], found["isLooking"]) == (unix_milliseconds(convex.now), False)
    convex.advance(minutes=1)
    assert not findings(convex, convex.now - timedelta(minutes=2))["isLooking"]
    assert findings(convex, convex.now)["isLooking"]
    for thread in visits:
        thread.join()
    assert len(visits) == 2


def test_the_doctor_finds_what_the_command_finds(convex: ConvexTest) -> None:
    findings(convex, convex.now)
    wait_until(lambda: findings(convex, convex.now)["checkedTime"] is not None, "the doctor has looked")
    found = findings(convex, convex.now)
    assert found["problem"] is None
    assert {"version", "durability", "workers"} <= {each["about"] for each in found["findings"]}


def test_its_statements_read_by_an_index(convex: ConvexTest) -> None:
    with convex.convex.database.read_internal() as connection, explained(connection) as steps:
        sums_of_spans(connection, spans(convex.now, 84, 120, 6))
        worker_figures(connection, convex.now, timedelta(minutes=1))
    assert "_convexpy_minutes" in str(steps)
    assert scanned(steps, "_convexpy_workers") == []
