"""A transaction of somebody else's that stays open does not make claims slower and slower."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from types import SimpleNamespace

import psycopg
import pytest
from sqlalchemy import URL

from convexpy import Convex, MutationCtx, internal_mutation, mutation
from convexpy.database import jobs
from convexpy.database.claim import START, Claim, Place
from convexpy.dispatch import frontier
from convexpy.dispatch.frontier import LONG_SECONDS, PAUSE_TIMES, Frontier
from convexpy.functions.declare import Kind

LATER = 10_000
OVER = """
    WITH over AS (
        INSERT INTO _convexpy_queue (job_id, kind, due_time, position)
        SELECT md5(n::text), 'mutation', now() - interval '1 hour' + n * interval '1 millisecond', n
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


def claim(convex: Convex, room: int = 1) -> list[Claim]:
    """As the dispatcher does for a room that has place for so many."""
    dispatcher = convex.service.dispatcher
    found = dispatcher.claim(Kind.MUTATION, room, dispatcher._frontier.place(Kind.MUTATION))
    dispatcher._frontier.claimed(Kind.MUTATION, found)
    return found


def test_after_a_long_look_claims_begin_where_the_last_one_ended_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(frontier, "time", SimpleNamespace(monotonic=lambda: now[0]))
    made, due = Frontier(), datetime(2026, 1, 1, tzinfo=UTC)
    made.looked({}, {"mutation": due}, LONG_SECONDS / 2)
    assert (made.seconds(), made.place("mutation")) == (0, START)
    made.looked({}, {"mutation": due, "action": None}, 1.0)
    assert (made.seconds(), made.place("mutation"), made.place("action")) == (PAUSE_TIMES, Place(due, -1), START)
    made.looked(made.places(), {}, 50.0)  # such a look says nothing of where the queue begins
    now[0] += PAUSE_TIMES
    assert (made.seconds(), made.places()) == (0, {})


def test_what_was_given_back_is_found_when_the_while_is_over(near: Convex) -> None:
    near.run(plan, times=3)
    first = claim(near)
    near.service.dispatcher._frontier._until = float("inf")
    second = claim(near)
    near.service.dispatcher.unclaim(first)
    assert (len(second), len(claim(near, 10)), len(claim(near, 10))) == (1, 1, 0)
    near.service.dispatcher._frontier._until = 0.0
    assert [each.job_id for each in claim(near, 10)] == [each.job_id for each in first]


def test_the_next_tick_comes_when_the_while_is_over(near: Convex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Frontier, "looked", lambda *looked: None)
    dispatcher, half = near.service.dispatcher, near.settings.poll_interval.total_seconds() / 2
    with near.running():
        (room, _) = dispatcher.rooms
        assert dispatcher._fill(room, None) == 2 * half
        dispatcher._frontier._until = time.monotonic() + half
        assert 0 < dispatcher._fill(room, None) <= half


def test_behind_the_last_claim_nobody_walks_over_what_is_over(near: Convex, url: URL) -> None:
    dsn = url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(dsn) as foreign, psycopg.connect(dsn, autocommit=True) as own:
        foreign.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        foreign.execute("SELECT count(*) FROM notes")  # from now on everything is kept for this one
        own.execute(OVER, {"times": LATER})
        own.execute(DELETED)
        near.run(plan, times=2)
        (first,) = claim(near)

        def read(after: object) -> int:
            before = blocks(own)
            with near.database.look(hot=True) as connection:
                jobs.next_due(connection, after)  # type: ignore[arg-type]
                connection.exec_driver_sql("SELECT pg_stat_force_next_flush()")
            return blocks(own) - before

        assert read({}) > LATER / 100
        assert read({"mutation": first.place}) < 50


def blocks(connection: psycopg.Connection[tuple[int]]) -> int:
    """How many blocks of the queue and its indexes were looked at so far."""
    row = connection.execute(READ).fetchone()
    assert row is not None
    return int(row[0])
