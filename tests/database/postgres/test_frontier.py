"""A transaction of somebody else's that stays open does not make claims slower and slower."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import psycopg
import pytest
from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

from convexpy import Convex, JobId, MutationCtx, internal_mutation, mutation
from convexpy.database import jobs
from convexpy.database.claim import START, Claim, QueuePosition
from convexpy.database.jobs import NewJob
from convexpy.dispatch.claim_cursor import LONG_SECONDS, ClaimCursor
from convexpy.dispatch.stragglers import Stragglers
from convexpy.functions.declare import Kind

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
def far(near: Convex) -> Convex:
    """Looks from the beginning of the queue take long."""
    near.worker.dispatcher.frontier.is_far = True
    return near


def claim(convex: Convex, room: int = 1) -> list[Claim]:
    """As the dispatcher does for a room that has place for so many."""
    dispatcher = convex.worker.dispatcher
    found = dispatcher.claim(Kind.MUTATION, room, dispatcher.frontier.place(Kind.MUTATION))
    dispatcher.frontier.claimed(Kind.MUTATION, found)
    return found


def stragglers(convex: Convex, wake: Callable[[], None] = lambda: None) -> Stragglers:
    return Stragglers(convex.database, convex.settings, convex.worker.dispatcher.frontier, wake)


def test_after_a_long_look_claims_begin_with_what_it_found_or_with_what_is_due_from_now_on() -> None:
    made, now = ClaimCursor(), datetime(2026, 1, 1, tzinfo=UTC)
    before, after = now - timedelta(seconds=1), now + timedelta(days=30)
    made.looked({"mutation": before}, LONG_SECONDS / 2, now)
    assert (made.is_far, made.place("mutation")) == (False, START)
    made.looked({"mutation": before, "action": None}, 1.0, now)
    assert (made.is_far, made.place("mutation"), made.place("action")) == (
        True,
        QueuePosition(before, -1),
        QueuePosition(now, -1),
    )
    made.looked({"mutation": after}, 1.0, now)  # until then there will be others
    assert made.place("mutation") == QueuePosition(now, -1)


def test_a_look_that_the_server_broke_off_leaves_what_is_known_and_begins_the_rest_now() -> None:
    made, now = ClaimCursor(), datetime(2026, 1, 1, tzinfo=UTC)
    made.looked({"mutation": now - timedelta(hours=1)}, 1.0, now)
    made.gave_up(now)
    assert (made.place("mutation"), made.place("action")) == (
        QueuePosition(now - timedelta(hours=1), -1),
        QueuePosition(now, -1),
    )


def test_a_worker_whose_look_is_broken_off_runs_what_comes_next(near: Convex, url: URL) -> None:
    near.run(plan, times=1)
    dispatcher = near.worker.dispatcher
    with connected(url) as stranger:
        stranger.execute("LOCK TABLE _convexpy_queue")  # as good as to walk for longer than the server allows
        with pytest.raises(DBAPIError):
            dispatcher._next_dues()
    assert dispatcher.frontier.is_far
    near.run(plan, times=2)
    assert len(claim(near, 10)) == 2


def test_what_was_given_back_is_found_by_a_look_from_the_beginning(far: Convex) -> None:
    for _ in range(3):
        far.run(plan, times=1)
    first, second = claim(far), claim(far)
    far.worker.dispatcher.unclaim(first)
    assert (len(second), len(claim(far, 10)), len(claim(far, 10))) == (1, 1, 0)
    woken: list[str] = []
    looking = stragglers(far, lambda: woken.append("dispatcher"))
    looking._lateness = timedelta()  # or a short look would find it
    looking.tick()
    assert woken == ["dispatcher"]
    far.worker.dispatcher.frontier.is_far = True
    assert [each.job_id for each in claim(far, 10)] == [each.job_id for each in first]


def test_what_was_committed_late_is_found_by_a_short_look_back(far: Convex) -> None:
    looking = stragglers(far)
    looking._next_long_look = float("inf")
    began = far.database.clock.now() - timedelta(seconds=2)
    with far.database.write_internal() as late:
        jobs.insert_jobs(late, [NewJob(JobId("1" * 32), f"{__name__}:nothing", "mutation", "{}", began)], began)
        far.run(plan, times=1)
        assert len(claim(far, 10)) == 1
        looking.tick()
        assert claim(far, 10) == []
    looking.tick()
    assert len(claim(far, 10)) == 1


def test_when_the_queue_is_short_again_claims_begin_at_its_beginning(far: Convex) -> None:
    far.run(plan, times=1)
    claim(far)
    assert stragglers(far).tick() > 0
    assert not far.worker.dispatcher.frontier.is_far


def test_a_long_look_is_followed_by_a_long_pause(far: Convex, monkeypatch: pytest.MonkeyPatch) -> None:
    far.run(plan, times=1)
    claim(far)
    looking, now, looks = stragglers(far), [100.0], []
    monkeypatch.setattr("convexpy.dispatch.stragglers.time", SimpleNamespace(monotonic=lambda: now[0]))

    def look(places: Mapping[str, QueuePosition]) -> None:
        looks.append("short" if places else "long")
        now[0] += 0.5 if places else 3.0

    monkeypatch.setattr(looking, "_look", look)
    for _ in range(2):
        assert looking.tick() == 10 * 0.5
    assert looks == ["long", "short", "short"]
    now[0] += 10 * 3.0
    looking.tick()
    assert looks[3:] == ["long", "short"]


def test_behind_the_last_claim_nobody_walks_over_what_is_over(near: Convex, url: URL) -> None:
    with connected(url) as foreign, connected(url, autocommit=True) as own:
        foreign.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        foreign.execute("SELECT count(*) FROM notes")  # from now on everything is kept for this one
        own.execute(OVER, {"times": LATER, "ago": "1 hour"})
        own.execute(DELETED)
        near.run(plan, times=2)
        (first,) = claim(near)

        def read(after: object) -> int:
            before = blocks(own)
            with near.database.read_internal(generic_plan=True) as connection:
                jobs.next_due(connection, after)  # type: ignore[arg-type]
                connection.exec_driver_sql("SELECT pg_stat_force_next_flush()")
            return blocks(own) - before

        assert read({}) > LATER / 100
        assert read({"mutation": first.place}) < 50


def connected(url: URL, *, autocommit: bool = False) -> psycopg.Connection[tuple[int]]:
    dsn = url.set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(dsn, autocommit=autocommit)


def blocks(connection: psycopg.Connection[tuple[int]]) -> int:
    """How many blocks of the queue and its indexes were looked at so far."""
    row = connection.execute(READ).fetchone()
    assert row is not None
    return int(row[0])
