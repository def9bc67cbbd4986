"""Jobs claimed while their worker is given up, or leaves, are recovered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import URL

from convexpy import ActionCtx, Convex, MutationCtx, internal_action, internal_mutation, mutation
from convexpy.database import jobs, workers
from convexpy.database.workers import LOST_ACTION, Suspect
from convexpy.dispatch.worker import Worker
from convexpy.functions.declare import Kind

from .conftest import rows

ORPHANS = """
    SELECT job_id FROM _convexpy_queue
    WHERE worker IS NOT NULL AND worker NOT IN (SELECT id FROM _convexpy_workers)
"""
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@internal_mutation
def nothing(ctx: MutationCtx) -> None: ...


@internal_action
async def act(ctx: ActionCtx) -> None: ...


@mutation
def plan(ctx: MutationCtx) -> None:
    ctx.schedule.now(nothing)


@mutation
def plan_action(ctx: MutationCtx) -> None:
    ctx.schedule.now(act)


@contextmanager
def uncommitted_claim(convex: Convex, worker: Worker) -> Iterator[None]:
    """A worker claims a job, and commits at the end of the block."""
    convex.run(plan)
    with convex.database.write_internal() as connection:
        known = worker.heartbeat.ensure_registered(connection)
        claims = jobs.claim(connection, "mutation", known, convex.clock.now(), 10)
        assert len(claims) == 1
        yield


def blocked_thread(url: URL, work: Callable[[], Any]) -> Thread:
    """A thread that waits for a lock."""
    thread = Thread(target=work)
    thread.start()
    while thread.is_alive() and rows(url, WAITING)[0][0] == 0:
        pass
    return thread


def suspect(convex: Convex) -> Suspect:
    """The only worker, as another one that takes it for dead sees it."""
    later = convex.clock.now() + timedelta(days=1)
    with convex.database.read_internal() as connection:
        (found,) = workers.find_suspects(connection, "another", later, timedelta(seconds=1))
    return found


def give_up(worker: Worker, dead: Suspect) -> None:
    """Recover the jobs of a worker that is taken for dead."""
    worker.recovery._recover(dead.id, worker._clock.now(), "it died", heartbeat_time=dead.heartbeat_time)


@pytest.fixture
def worker(near: Convex) -> Worker:
    near.migrate()
    near.worker.heartbeat.register()
    return near.worker


def test_what_a_dead_worker_is_claiming_is_recovered_with_the_rest(near: Convex, url: URL, worker: Worker) -> None:
    dead = suspect(near)
    with uncommitted_claim(near, worker):
        recovering = blocked_thread(url, lambda: give_up(worker, dead))
    recovering.join()
    assert rows(url, ORPHANS) == []
    assert rows(url, "SELECT worker FROM _convexpy_queue") == [(None,)]


def test_an_action_that_starts_while_its_worker_is_given_up_fails(near: Convex, url: URL, worker: Worker) -> None:
    """Its worker woke up just then. Not recovered, the action would be in progress for ever once that worker dies."""
    near.run(plan_action)
    (claim,) = worker.dispatcher.claim(Kind.ACTION, 10)
    with near.database.write_internal() as connection:
        assert jobs.start(connection, claim, "token", near.clock.now())
        recovering = blocked_thread(url, lambda: give_up(worker, suspect(near)))
    recovering.join()
    assert rows(url, ORPHANS) == []
    assert rows(url, "SELECT state_kind, state_error FROM _scheduled_functions") == [("failed", LOST_ACTION)]


def test_a_worker_with_a_heartbeat_meanwhile_is_not_given_up(near: Convex, url: URL, worker: Worker) -> None:
    long_ago = near.clock.now() - timedelta(days=1)
    give_up(worker, Suspect(worker.heartbeat.worker, long_ago, is_gone=False))
    assert rows(url, "SELECT id FROM _convexpy_workers") == [(worker.heartbeat.worker,)]


def test_a_worker_that_leaves_while_it_claims_stays_registered(near: Convex, url: URL, worker: Worker) -> None:
    with uncommitted_claim(near, worker):
        leaving = blocked_thread(url, worker.heartbeat.leave)
    leaving.join()
    assert rows(url, ORPHANS) == []
    assert rows(url, "SELECT id FROM _convexpy_workers") == [(worker.heartbeat.worker,)]
