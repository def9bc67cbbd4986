"""An action that blocks the event loop holds up those that have begun, and no others: other workers run them."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator

import pytest
from batch_runner import opened
from sqlalchemy import select
from support.waiting import PATIENCE_SECONDS, wait_until

from convexpy import ActionCtx, Convex, JobId, MutationCtx, action, mutation
from convexpy.database.tables import queue
from convexpy.dispatch import action_pool
from convexpy.dispatch.pool import Pool
from convexpy.functions.declare import Kind

blocks = threading.Event()
may_end = threading.Event()


@pytest.fixture(autouse=True)
def nothing_waits() -> Iterator[None]:
    blocks.clear()
    may_end.clear()
    yield
    may_end.set()


@action
async def block(ctx: ActionCtx) -> None:
    blocks.set()
    may_end.wait(PATIENCE_SECONDS)  # instead of awaiting it


@action
async def quick(ctx: ActionCtx) -> None:
    """Takes no time."""


@mutation
def plan(ctx: MutationCtx, blocking: int = 0, quickly: int = 0) -> list[JobId]:
    return [ctx.schedule.now(block) for _ in range(blocking)] + [ctx.schedule.now(quick) for _ in range(quickly)]


def unclaimed(convex: Convex) -> int:
    with convex.database.read_internal() as connection:
        return len(connection.execute(select(queue.c.job_id).where(queue.c.worker.is_(None))).all())


def pool_of_actions(convex: Convex) -> Pool:
    return next(pool for pool in convex.worker.dispatcher.pools if pool.kind is Kind.ACTION)


def states(convex: Convex, job_ids: list[JobId]) -> set[str]:
    return {convex.call("_system/jobs:get", {"job_id": job_id})["state"]["kind"] for job_id in job_ids}


def test_what_waits_behind_a_blocked_event_loop_is_run_by_another_worker(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    this = sys.modules[__name__]
    with opened(database, this) as convex, opened(database, this) as other, convex.running():
        with caplog.at_level(logging.WARNING, "convexpy.dispatch"):
            convex.run(plan, blocking=1)
            assert blocks.wait(PATIENCE_SECONDS)
            first = convex.run(plan, quickly=5)
            wait_until(lambda: "holds it" in caplog.text, "it is noticed")
        assert "test_blocked_event_loop:block, at " in caplog.text
        assert "in block holds it" in caplog.text
        wait_until(lambda: unclaimed(convex) == 5, "they are given back")
        pool = pool_of_actions(convex)
        assert pool.capacity() == 0
        second = convex.run(plan, quickly=5)
        with other.running():
            wait_until(lambda: states(other, [*first, *second]) == {"success"}, "another worker runs them")
            assert not may_end.is_set()
        third = convex.run(plan, quickly=3)
        may_end.set()
        wait_until(lambda: states(convex, third) == {"success"}, "it answers again")
        assert pool.capacity() > 0


def test_at_a_stop_what_has_not_begun_is_given_back(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(action_pool, "ANSWER_SECONDS", PATIENCE_SECONDS)
    with opened(database, sys.modules[__name__], stop_grace=PATIENCE_SECONDS) as convex, convex.running():
        blocking = convex.run(plan, blocking=1)
        assert blocks.wait(PATIENCE_SECONDS)
        jobs = convex.run(plan, quickly=5)
        pool = pool_of_actions(convex)
        wait_until(lambda: len(pool.jobs()) == 6, "they are claimed")
        stopping = threading.Thread(target=convex.stop)
        stopping.start()
        wait_until(lambda: unclaimed(convex) == 5, "they are given back")
        may_end.set()
        stopping.join()
        assert states(convex, jobs) == {"pending"}
        assert states(convex, blocking) == {"success"}
