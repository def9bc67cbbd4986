"""A claim that is under way while its worker is given up, or leaves, belongs to somebody in the end."""

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
from convexpy.database.rescue import LOST_ACTION
from convexpy.database.workers import Suspect
from convexpy.dispatch.worker import Service
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
def claim_under_way(convex: Convex, service: Service) -> Iterator[None]:
    """A worker has claimed a job, and its COMMIT comes at the end of the block."""
    convex.run(plan)
    with convex.database.write_internal() as connection:
        worker = service.worker.be_known(connection)
        claims = jobs.claim_jobs(connection, "mutation", worker, jobs.new_token(), convex.clock.now(), 10)
        assert len(claims) == 1
        yield


def begun(url: URL, work: Callable[[], Any]) -> Thread:
    """Work on a thread of its own that has come to wait for a lock."""
    thread = Thread(target=work)
    thread.start()
    while thread.is_alive() and rows(url, WAITING)[0][0] == 0:
        pass
    return thread


def suspect(convex: Convex) -> Suspect:
    """The only worker, as others see it that take it for dead."""
    later = convex.clock.now() + timedelta(days=1)
    with convex.database.read_internal() as connection:
        (itself,) = workers.find_suspects(connection, "another", later, timedelta(seconds=1))
    return itself


@pytest.fixture
def service(near: Convex) -> Service:
    near.migrate()
    near.service.worker.register()
    return near.service


def test_what_a_dead_worker_is_just_claiming_is_rescued_with_the_rest(near: Convex, url: URL, service: Service) -> None:
    dead = suspect(near)
    with claim_under_way(near, service):
        rescuer = begun(url, lambda: service.recovery._recover(dead, near.clock.now()))
    rescuer.join()
    assert rows(url, ORPHANS) == []
    assert rows(url, "SELECT worker FROM _convexpy_queue") == [(None,)]


def test_an_action_that_starts_while_its_worker_is_given_up_is_failed(near: Convex, url: URL, service: Service) -> None:
    """Its worker woke up just then. Left as it is, it would be in progress for ever once that worker dies."""
    near.run(plan_action)
    (claim,) = service.dispatcher.claim(Kind.ACTION, 10)
    with near.database.write_internal() as connection:
        assert jobs.start(connection, claim, "token", near.clock.now())
        rescuer = begun(url, lambda: service.recovery._recover(suspect(near), near.clock.now()))
    rescuer.join()
    assert rows(url, ORPHANS) == []
    assert rows(url, "SELECT state_kind, state_error FROM _scheduled_functions") == [("failed", LOST_ACTION)]


def test_a_worker_that_was_heard_of_meanwhile_is_not_given_up(near: Convex, url: URL, service: Service) -> None:
    long_ago = near.clock.now() - timedelta(days=1)
    service.recovery._recover(Suspect(service.worker.id, long_ago, is_gone=False), near.clock.now())
    assert rows(url, "SELECT id FROM _convexpy_workers") == [(service.worker.id,)]


def test_a_worker_that_leaves_while_it_is_still_claiming_stays_registered(
    near: Convex, url: URL, service: Service
) -> None:
    with claim_under_way(near, service):
        leaving = begun(url, service.worker.leave)
    leaving.join()
    assert rows(url, ORPHANS) == []
    assert rows(url, "SELECT id FROM _convexpy_workers") == [(service.worker.id,)]
