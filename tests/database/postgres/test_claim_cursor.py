"""Another client's transaction that stays open does not make claims slower and slower."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
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

PATIENCE_SECONDS = 10.0
DELETED_ROWS = 10_000
INSERT_ROWS = """
    WITH inserted AS (
        INSERT INTO _convexpy_queue (job_id, kind, due_time, position)
        SELECT md5(n::text), 'mutation', now() - %(ago)s::interval + n * interval '1 millisecond', n
        FROM generate_series(1, %(times)s) n RETURNING job_id
    ) SELECT count(*) FROM inserted
"""
DELETE_ROWS = "DELETE FROM _convexpy_queue WHERE due_time < now() - interval '1 minute'"
BLOCKS_READ = """
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
    """Claims begin at the cursor."""
    cursor_of(near).is_ahead = True
    return near


def cursor_of(convex: Convex) -> ClaimCursor:
    cursor = convex.worker.dispatcher.cursor
    assert cursor is not None
    return cursor


def claim(convex: Convex, limit: int = 1) -> list[Claim]:
    return convex.worker.dispatcher.claim(Kind.MUTATION, limit)


class ScriptedCursor(ClaimCursor):
    """A cursor whose scans take as long, and find, as the test says."""

    def __init__(self, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(Any, SimpleNamespace(now=lambda: now))  # type: ignore[arg-type]
        self.seconds = 100.0
        self.scans: list[str] = []
        self.script: Iterator[tuple[dict[str, datetime | None] | Exception, float]] = iter(())
        monkeypatch.setattr(claim_cursor, "time", SimpleNamespace(monotonic=lambda: self.seconds))

    def _scan(self, starts: Mapping[str, QueuePosition]) -> dict[str, datetime | None]:
        self.scans.append("short" if starts else "full")
        found, seconds = next(self.script)
        self.seconds += seconds
        if isinstance(found, Exception):
            raise found
        return found


def test_a_long_scan_moves_the_cursor_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    before, after = now - timedelta(seconds=1), now + timedelta(days=30)
    for due, seconds, is_ahead, start in (
        (before, LONG_SECONDS / 2, False, START),
        (before, 1.0, True, QueuePosition(before, -1)),
        (after, 1.0, True, QueuePosition(now, -1)),  # until then there will be others
    ):
        cursor = ScriptedCursor(now, monkeypatch)
        cursor.script = iter([({"mutation": due, "action": None}, seconds)])
        assert cursor.next_dues()["mutation"] == due
        assert (cursor.is_ahead, cursor.start("mutation")) == (is_ahead, start)
        assert cursor.start("action") == (QueuePosition(now, -1) if is_ahead else START)


def test_a_long_scan_that_was_aborted_moves_the_cursor_to_now(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    for seconds in (LONG_SECONDS / 2, 1.0):
        cursor = ScriptedCursor(now, monkeypatch)
        cursor.script = iter([(TimeoutError(), seconds)])
        with pytest.raises(TimeoutError):
            cursor.next_dues()
        assert cursor.is_ahead == (seconds == 1.0)
        assert cursor.start("mutation") == (QueuePosition(now, -1) if cursor.is_ahead else START)


def test_a_worker_whose_scan_was_aborted_runs_what_comes_next(near: Convex, url: URL) -> None:
    near.run(plan, times=1)
    dispatcher = near.worker.dispatcher
    with connected(url) as other:
        other.execute("LOCK TABLE _convexpy_queue")  # as slow as a scan of very many deleted rows
        with pytest.raises(DBAPIError):
            dispatcher._next_dues()
    assert cursor_of(near).is_ahead
    near.run(plan, times=2)
    assert len(claim(near, 10)) == 2


def test_a_full_scan_finds_what_was_given_back(ahead: Convex) -> None:
    for _ in range(3):
        ahead.run(plan, times=1)
    first, second = claim(ahead), claim(ahead)
    ahead.worker.dispatcher.unclaim(first)
    assert (len(second), len(claim(ahead, 10)), len(claim(ahead, 10))) == (1, 1, 0)
    found: list[str] = []
    cursor_of(ahead).backfill(timedelta(), lambda: found.append("jobs"))  # so that the short scan finds nothing
    assert found == ["jobs"]
    cursor_of(ahead).is_ahead = True
    assert [each.job_id for each in claim(ahead, 10)] == [each.job_id for each in first]


def test_a_short_scan_finds_what_was_committed_late(ahead: Convex) -> None:
    cursor = cursor_of(ahead)
    cursor._next_full_scan = float("inf")
    began = ahead.database.clock.now() - timedelta(seconds=2)
    with ahead.database.write_internal() as late:
        jobs.insert_jobs(late, [NewJob(JobId("1" * 32), f"{__name__}:nothing", "mutation", "{}", began)], began)
        ahead.run(plan, times=1)
        assert len(claim(ahead, 10)) == 1
        cursor.backfill(timedelta(seconds=60), lambda: None)
        assert claim(ahead, 10) == []
    cursor.backfill(timedelta(seconds=60), lambda: None)
    assert len(claim(ahead, 10)) == 1


def test_a_short_queue_is_claimed_from_its_start_again(ahead: Convex) -> None:
    ahead.run(plan, times=1)
    claim(ahead)
    assert cursor_of(ahead).backfill(timedelta(seconds=60), lambda: None) > 0
    assert not cursor_of(ahead).is_ahead


def test_a_long_scan_is_followed_by_a_long_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    cursor = ScriptedCursor(now, monkeypatch)
    cursor.is_ahead = True
    cursor._last = {"mutation": QueuePosition(now, 1)}
    full, short = ({}, 3.0), ({}, 0.5)
    cursor.script = iter([full, short, short, full, short])
    for _ in range(2):
        assert cursor.backfill(timedelta(), lambda: None) == 10 * 0.5
    assert cursor.scans == ["full", "short", "short"]
    cursor.seconds += 10 * 3.0
    cursor.backfill(timedelta(), lambda: None)
    assert cursor.scans[3:] == ["full", "short"]


def test_what_the_backfill_finds_is_run_at_once(url: URL) -> None:
    """Neither a notification nor a look of the dispatcher's own finds it before the test is over."""
    settings = Settings(**{**QUICK, "poll_interval": 10 * PATIENCE_SECONDS, "listen_notify": False})
    text = url.render_as_string(hide_password=False)
    module: Any = sys.modules[__name__]
    with Convex(text, functions=module, settings=settings) as worker, worker.running():
        worker.run(plan, times=1)
        wait_for(url, "SELECT 1 FROM _convexpy_finished")  # the dispatcher has looked, and knows of nothing more
        began = worker.database.clock.now() - timedelta(hours=1)
        job = NewJob(JobId("1" * 32), f"{module.__name__.rpartition('.')[2]}:nothing", "mutation", "{}", began)
        with connected(url, autocommit=True) as other:
            other.execute(
                "INSERT INTO _scheduled_functions (id, name, kind, args, scheduled_time, state_kind, attempts)"
                " VALUES (%s, %s, %s, '{}', %s, 'pending', 0)",
                (job.id, job.name, job.kind, began),
            )
            other.execute(
                "INSERT INTO _convexpy_queue (job_id, kind, due_time, position) VALUES (%s, %s, %s, 1)",
                (job.id, job.kind, began),
            )
        cursor_of(worker)._last = {
            kind: QueuePosition(worker.database.clock.now(), 0) for kind in ("mutation", "action")
        }
        cursor_of(worker).is_ahead = True
        wait_for(url, "SELECT 1 WHERE (SELECT count(*) FROM _convexpy_finished) = 2")


def test_after_the_last_claim_no_deleted_rows_are_scanned(near: Convex, url: URL) -> None:
    with connected(url) as foreign, connected(url, autocommit=True) as own:
        foreign.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        foreign.execute("SELECT count(*) FROM notes")  # from now on every deleted row is kept for this one
        own.execute(INSERT_ROWS, {"times": DELETED_ROWS, "ago": "1 hour"})
        own.execute(DELETE_ROWS)
        near.run(plan, times=2)
        (first,) = claim(near)

        def read(after: Mapping[str, QueuePosition]) -> int:
            before = blocks(own)
            with near.database.read_internal(generic_plan=True) as connection:
                jobs.next_due(connection, after)
                connection.exec_driver_sql("SELECT pg_stat_force_next_flush()")
            return blocks(own) - before

        assert read({}) > DELETED_ROWS / 100
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
    row = connection.execute(BLOCKS_READ).fetchone()
    assert row is not None
    return int(row[0])
