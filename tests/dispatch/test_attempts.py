"""Attempts of jobs that were rolled back are remembered: when, for how long, why, and what a conflict was about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import delete
from support.faults import PlannedErrors, a_conflict, a_disk_error

from convexpy import JobId, MutationCtx, mutation
from convexpy.database import tables
from convexpy.database.attempts import Attempt, ExplainedAttempt, attempts_of, explain_attempts
from convexpy.database.workers import LOST_CLAIM
from convexpy.functions.declare import Kind
from convexpy.runtime.conflicts import CommittedTransaction
from convexpy.testing import ConvexTest

planned = PlannedErrors()


@pytest.fixture(autouse=True)
def no_errors_are_planned() -> None:
    planned.reset()


@mutation
def work(ctx: MutationCtx) -> None:
    planned.raise_next()


@mutation
def plan(ctx: MutationCtx) -> JobId:
    return ctx.schedule.now(work)


def attempts(convex: ConvexTest, *job_ids: JobId) -> Sequence[Attempt]:
    with convex.convex.database.read_internal() as connection:
        return attempts_of(connection, job_ids)


def test_a_conflict_and_an_internal_error_leave_an_attempt_each(convex: ConvexTest) -> None:
    job_id = convex.run(plan)
    planned.reset(a_conflict(), a_disk_error())
    convex.run_due()
    began = convex.now
    convex.advance(minutes=1)
    first, second = attempts(convex, job_id)
    assert (first.attempt, first.outcome, second.attempt, second.outcome) == (1, "conflict", 2, "error")
    assert first.error is not None
    assert "database is locked" in first.error
    assert second.error is not None
    assert "disk I/O error" in second.error
    assert began - timedelta(minutes=1) < first.started_time <= began
    assert first.started_time < second.started_time + timedelta(minutes=1) <= convex.now + timedelta(minutes=1)
    assert 0 < first.seconds < 30
    job = convex.job(job_id)
    assert job is not None
    assert (job.state.kind, job.attempts) == ("success", 3)


def test_a_job_that_succeeds_or_fails_by_itself_leaves_no_attempt(convex: ConvexTest) -> None:
    ids = [convex.run(plan), convex.run(plan)]
    planned.reset(ValueError("no"))
    convex.run_due()
    assert attempts(convex, *ids) == []


def test_a_lost_worker_leaves_an_attempt_of_what_it_had_claimed(convex: ConvexTest) -> None:
    job_id, worker = convex.run(plan), convex.convex.worker
    worker.dispatcher.claim(Kind.MUTATION, 1)
    for _ in range(2):  # a job that its worker does not know of, twice in a row
        worker.recovery.reclaim()
    (lost,) = attempts(convex, job_id)
    assert (lost.attempt, lost.outcome, lost.error, lost.started_time) == (1, "lost", LOST_CLAIM, convex.now)


def test_a_conflict_is_explained_once_it_is_known_what_it_was_about(convex: ConvexTest) -> None:
    job_id = convex.run(plan)
    tracker = convex.convex.calls.transactions.conflicts
    planned.reset(a_conflict())
    convex.run_due()
    tracker.recent.clear()
    tracker.recent.append(CommittedTransaction({"shop:take": set()}, convex.now, convex.now))
    tracker.flush()
    (attempt,) = attempts(convex, job_id)
    assert (attempt.lost_to, attempt.lost_on) == ("shop:take", None)
    with convex.convex.database.write_internal() as connection:
        explain_attempts(connection, [ExplainedAttempt(job_id, 1, "shop:take", "items")])
    assert attempts(convex, job_id)[0].lost_on == "items"


def test_attempts_are_purged_with_the_jobs(convex: ConvexTest) -> None:
    job_id = convex.run(plan)
    planned.reset(a_conflict())
    convex.run_due()
    convex.convex.worker.retention.purge()
    assert len(attempts(convex, job_id)) == 1
    convex.clock.move_to(convex.now + convex.convex.settings.retention + timedelta(minutes=1))
    convex.convex.worker.retention.purge()
    assert attempts(convex, job_id) == []
    with convex.convex.database.write_internal() as connection:
        connection.execute(delete(tables.queue))
