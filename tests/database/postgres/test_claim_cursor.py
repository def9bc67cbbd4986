"""A transaction of another client that stays open does not make claims slower and slower."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

from convexpy import Convex, JobId, MutationCtx, Settings, internal_mutation, mutation
from convexpy.database import jobs
from convexpy.database.claim import START, Claim, QueuePosition
from convexpy.database.jobs import NewJob
from convexpy.dispatch import claim_cursor
from convexpy.dispatch.claim_cursor import LONG_SECONDS, ClaimCursor
from convexpy.functions.declare import Kind

from .conftest import QUICK, rows

PATIENCE_SECONDS = 30.0
LATER = 10_000
OVER = """
    WITH over AS (
        INSERT INTO _convexpy_queue (job_id, kind, due_time, position)
        SELECT md5(n::text), 'mutation', now() - %(ago)s::interval + n * interval '1 millisecond', n
        FROM generate_series(1, %(times)s) n RETURNING job_id
    ) SELECT count(*) FROM over
"""
DELETED = "DELETE FROM _convexpy_queue WHERE due_time < now() - interval '1 minute'"
READ = """
    SELECT idx_blks_hit + idx_blks_read + heap_blks_hit + heap_blks_read
    FROM pg_statio_user_tables WHERE relname = '_convexpy_queue'
"""


@internal_mutation
def nothing(ctx: MutationCtx) -> None:
    """It need not even run."""


@mutation
def plan(ctx: MutationCtx, times: int) -> None:
    for _ in range(times):
        ctx.schedule.now(nothing)


@pytest.fixture
def ahead(near: Convex) -> Convex:
    """A scan from the start of the queue takes long."""
    cursor_of(near).is_ahead = True
    return near


def cursor_of(convex: Convex) -> ClaimCursor:
    cursor = convex.worker.dispatcher.cursor
    assert cursor is not None
    return cursor


def claim(convex: Convex, limit: int = 1) -> list[Claim]:
    return convex.worker.dispatcher.claim(Kind.MUTATION, limit)


def backfill(convex: Convex, lateness: timedelta = timedelta(seconds=10)) -> bool:
    """One round of the backfill. Whether it has found something."""
    found: list[str] = []
    cursor_of(convex).backfill(lateness, lambda: found.append("found"))
    return bool(found)


class Scans:
    """What the scans of a cursor find, and how long they take."""

    def __init__(self, cursor: ClaimCursor, monkeypatch: pytest.MonkeyPatch) -> None:
        self.dues: dict[str, datetime | None] = {}
        self.seconds = [0.0, 0.0]
        self.error: Exception | None = None
        self.made: list[str] = []
        self.now = 100.0
        monkeypatch.setattr(cursor, "_scan", self)
        monkeypatch.setattr(claim_cursor, "time", SimpleNamespace(monotonic=lambda: self.now))

    def __call__(self, starts: Mapping[str, QueuePosition]) -> dict[str, datetime | None]:
        self.made.append("short" if starts else "full")
        self.now += self.seconds[0] if starts else self.seconds[1]
        if self.error:
            raise self.error
        return self.dues


def test_after_a_long_scan_claims_begin_with_what_it_found_or_now(
    near: Convex, monkeypatch: pytest.MonkeyPatch
) -> None:
    cursor, now = cursor_of(near), datetime.now(UTC)
    monkeypatch.setattr(cursor, "_clock", SimpleNamespace(now=lambda: now))
    scans = Scans(cursor, monkeypatch)
    before, after = now - timedelta(seconds=1), now + timedelta(days=30)
    scans.dues, scans.seconds[1] = {"mutation": before}, LONG_SECONDS / 2
    cursor.next_dues()
    assert (cursor.is_ahead, cursor.start("mutation")) == (False, START)
    scans.dues, scans.seconds[1] = {"mutation": before, "action": None}, 1.0
    cursor.next_dues()
    starts = cursor.start("mutation"), cursor.start("action")
    assert (cursor.is_ahead, *starts) == (True, QueuePosition(before, -1), QueuePosition(now, -1))
    cursor.is_ahead, scans.dues = False, {"mutation": after}
    cursor.next_dues()  # until then there will be others
    assert cursor.start("mutation") == QueuePosition(now, -1)


def test_a_scan_that_the_server_aborts_leaves_what_is_known(near: Convex, monkeypatch: pytest.MonkeyPatch) -> None:
    cursor, now = cursor_of(near), datetime.now(UTC)
    monkeypatch.setattr(cursor, "_clock", SimpleNamespace(now=lambda: now))
    scans = Scans(cursor, monkeypatch)
    scans.dues, scans.seconds[1] = {"mutation": now - timedelta(hours=1)}, 1.0
    cursor.next_dues()
    cursor.is_ahead, scans.error = False, ValueError("aborted")
    with pytest.raises(ValueError, match="aborted"):
        cursor.next_dues()
    assert cursor.start("mutation") == QueuePosition(now - timedelta(hours=1), -1)
    assert cursor.start("action") == QueuePosition(now, -1)


def test_a_worker_whose_scan_is_aborted_runs_what_comes_next(near: Convex, url: URL) -> None:
    near.run(plan, times=1)
    with connected(url) as another:
        another.execute("LOCK TABLE _convexpy_queue")  # as good as a scan for longer than the server allows
        with pytest.raises(DBAPIError):
            near.worker.dispatcher.next_dues()
    assert cursor_of(near).is_ahead
    near.run(plan, times=2)
    assert len(claim(near, 10)) == 2


def test_what_was_given_back_is_found_by_a_full_scan(ahead: Convex) -> None:
    for _ in range(3):
        ahead.run(plan, times=1)
    first, second = claim(ahead), claim(ahead)
    ahead.worker.dispatcher.unclaim(first)
    assert (len(second), len(claim(ahead, 10)), len(claim(ahead, 10))) == (1, 1, 0)
    assert backfill(ahead, timedelta())  # a short scan would not find it
    cursor_of(ahead).is_ahead = True
    assert [each.job_id for each in claim(ahead, 10)] == [each.job_id for each in first]


def test_what_was_committed_late_is_found_by_a_short_scan(ahead: Convex) -> None:
    cursor_of(ahead)._next_full_scan = float("inf")
    began = ahead.database.clock.now() - timedelta(seconds=2)
    with ahead.database.write_internal() as late:
        jobs.insert_jobs(late, [NewJob(JobId("1" * 32), f"{__name__}:nothing", "mutation", "{}", began)], began)
        ahead.run(plan, times=1)
        assert len(claim(ahead, 10)) == 1
        assert not backfill(ahead)
        assert claim(ahead, 10) == []
    assert backfill(ahead)
    assert len(claim(ahead, 10)) == 1


def test_when_the_queue_is_short_again_claims_begin_at_its_start(ahead: Convex) -> None:
    ahead.run(plan, times=1)
    claim(ahead)
    backfill(ahead)
    assert not cursor_of(ahead).is_ahead


def test_a_long_scan_is_followed_by_a_long_pause(ahead: Convex, monkeypatch: pytest.MonkeyPatch) -> None:
    ahead.run(plan, times=1)
    claim(ahead)
    scans = Scans(cursor_of(ahead), monkeypatch)
    scans.seconds = [0.5, 3.0]
    for _ in range(2):
        assert cursor_of(ahead).backfill(timedelta(seconds=10), lambda: None) == 10 * 0.5
    assert scans.made == ["full", "short", "short"]
    scans.now += 10 * 3.0
    cursor_of(ahead).backfill(timedelta(seconds=10), lambda: None)
    assert scans.made[3:] == ["full", "short"]


def test_what_the_backfill_finds_is_run_at_once(url: URL) -> None:
    """Neither a notification nor a look of the dispatcher's own finds it before the test is over."""
    settings = Settings(**{**QUICK, "poll_interval": 10 * PATIENCE_SECONDS, "listen_notify": False})
    text, module = url.render_as_string(hide_password=False), sys.modules[__name__]
    with Convex(text, functions=module, settings=settings) as worker, worker.running():
        worker.run(plan, times=1)
        wait_for(url, "SELECT 1 FROM _convexpy_finished")  # the dispatcher has looked, and knows of nothing more
        now = worker.database.clock.now()
        values: Any = ("1" * 32, "mutation", now - timedelta(hours=1))
        name = f"{module.__name__.rpartition('.')[2]}:nothing"
        with connected(url) as another:
            another.execute(
                "INSERT INTO _scheduled_functions (id, name, args, state_kind, attempts, kind, scheduled_time)"
                " VALUES (%s, %s, '{}', 'pending', 0, %s, %s)",
                (values[0], name, *values[1:]),
            )
            another.execute(
                "INSERT INTO _convexpy_queue (job_id, kind, due_time, position) VALUES (%s, %s, %s, 1)", values
            )
            another.commit()
        cursor = cursor_of(worker)
        cursor._last = {"mutation": QueuePosition(now, 0), "action": QueuePosition(now, 0)}
        cursor.is_ahead = True
        wait_for(url, "SELECT 1 WHERE (SELECT count(*) FROM _convexpy_finished) = 2")


def test_after_the_cursor_a_scan_steps_over_no_deleted_rows(near: Convex, url: URL) -> None:
    with connected(url) as another, connected(url, autocommit=True) as own:
        another.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        another.execute("SELECT count(*) FROM notes")  # from now on every deleted row is kept for this one
        own.execute(OVER, {"times": LATER, "ago": "1 hour"})
        own.execute(DELETED)
        near.run(plan, times=2)
        (first,) = claim(near)

        def read(after: Mapping[str, QueuePosition]) -> int:
            before = blocks(own)
            with near.database.read_internal(generic_plan=True) as connection:
                jobs.next_due(connection, after)
                connection.exec_driver_sql("SELECT pg_stat_force_next_flush()")
            return blocks(own) - before

        assert read({}) > LATER / 100
        assert read({"mutation": first.queue_position}) < 50


def wait_for(url: URL, statement: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not rows(url, statement):
        assert time.monotonic() < deadline, f"not in time: {statement}"


def connected(url: URL, *, autocommit: bool = False) -> psycopg.Connection[tuple[int]]:
    dsn = url.set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(dsn, autocommit=autocommit)


def blocks(connection: psycopg.Connection[tuple[int]]) -> int:
    """How many blocks of the queue and its indexes were read so far."""
    row = connection.execute(READ).fetchone()
    assert row is not None
    return int(row[0])
