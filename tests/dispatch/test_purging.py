"""Purging is done a batch at a time, so that other transactions go on in between, and it survives errors."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection
from support.apps import START

from convexpy import JobId, MutationCtx, internal_mutation, mutation
from convexpy.database.retention import purge_jobs
from convexpy.dispatch import retention as purging
from convexpy.testing import ConvexTest


@internal_mutation
def work(ctx: MutationCtx) -> None: ...


@mutation
def schedule(ctx: MutationCtx) -> JobId:
    return ctx.schedule.now(work)


def test_a_job_that_is_overdue_for_longer_than_the_retention_is_not_purged(convex: ConvexTest) -> None:
    convex.run(schedule)
    convex.run_due()
    overdue = convex.run(schedule)
    convex.clock.move_to(START + timedelta(days=8))  # nothing was running
    convex.convex.worker.retention.tick()
    assert [job.id for job in convex.jobs()] == [overdue]
    convex.run_due()
    assert convex.job(overdue).state.kind == "success"  # type: ignore[union-attr]


def test_much_is_purged_a_batch_at_a_time_with_pauses_between(
    convex: ConvexTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convexpy.dispatch.retention.BATCH", 2)
    for _ in range(5):
        convex.run(schedule)
    convex.run_due()
    convex.clock.move_to(START + timedelta(days=8))
    retention = convex.convex.worker.retention
    left, pauses = [], []
    for _ in range(4):
        began = time.monotonic()
        pauses.append(retention.tick() / (time.monotonic() - began))
        left.append(len(convex.jobs()))
    assert left == [3, 1, 0, 0]
    assert all(0.5 < pause <= 1 for pause in pauses[:2]), pauses


def test_a_worker_with_nothing_to_purge_looks_again_in_a_minute(convex: ConvexTest) -> None:
    assert convex.convex.worker.retention.tick() == 60


def test_a_purge_that_failed_begins_anew(convex: ConvexTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convexpy.dispatch.retention.BATCH", 2)
    for _ in range(5):
        convex.run(schedule)
        convex.advance(seconds=1)
    convex.clock.move_to(START + timedelta(days=8))
    retention = convex.convex.worker.retention

    def broken(connection: Connection, end: str, *given: Any) -> tuple[int, datetime]:
        if end == "failed":
            raise ConnectionError("the database went away in the middle of it")
        return purge_jobs(connection, end, *given)

    assert retention.purge()
    with monkeypatch.context() as patch:
        patch.setattr(purging, "purge_jobs", broken)
        with pytest.raises(ConnectionError):
            retention.purge()
    assert len(convex.jobs()) == 3
    while retention.purge():
        pass
    assert convex.jobs() == []
