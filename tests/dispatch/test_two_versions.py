"""Workers of two versions of the app side by side: each leaves alone what only the other can run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from app.models import Base, Note
from sqlalchemy import select
from support.apps import START, app_of

from convexpy import ActionCtx, JobId, MutationCtx, Settings, internal_action, internal_mutation, mutation
from convexpy.database import jobs
from convexpy.database.jobs import NewJob
from convexpy.database.types import new_job_id
from convexpy.functions.declare import Kind
from convexpy.testing import ConvexTest

PATIENT = Settings(unknown_function_patience=timedelta(minutes=5), sqlite_synchronous="NORMAL")


@internal_mutation
def write(ctx: MutationCtx) -> None:
    ctx.db.add(Note(text="written"))


@internal_action
async def act(ctx: ActionCtx) -> None:
    await ctx.run_mutation(write)


@mutation
def plan(ctx: MutationCtx, kind: str) -> JobId:
    return ctx.schedule.now(write) if kind == "mutation" else ctx.schedule.now(act)


@mutation
def unrelated(ctx: MutationCtx) -> None:
    """All that the old version knows."""


@pytest.fixture
def new(database: str) -> Iterator[ConvexTest]:
    app = app_of(write, act, plan)
    with ConvexTest(app, metadata=Base.metadata, database_url=database, now=START, settings=PATIENT) as convex:
        yield convex


@pytest.fixture
def old(new: ConvexTest, database: str) -> Iterator[ConvexTest]:
    app = app_of(unrelated)
    with ConvexTest(app, metadata=Base.metadata, database_url=database, now=START, settings=PATIENT) as convex:
        yield convex


def both_live_on(new: ConvexTest, old: ConvexTest, **passed: float) -> None:
    """Time passes for both, and the old one has the first look at everything."""
    new.clock.move_to(new.now + timedelta(**passed))
    new.convex.worker.heartbeat.beat()
    old.advance(**passed)


@pytest.mark.parametrize("kind", ["mutation", "action"])
def test_what_one_does_not_know_is_run_by_the_other(new: ConvexTest, old: ConvexTest, kind: str) -> None:
    job_id = new.run(plan, kind=kind)
    old.run_due()
    job = new.job(job_id)
    assert job is not None
    assert (job.state.kind, job.attempts) == ("pending", 0)
    assert job.last_error is not None
    assert "left to other workers" in job.last_error
    new.run_due()  # at once: the old one has not postponed it
    job = new.job(job_id)
    assert job is not None
    assert job.state.kind == "success"
    with new.db() as db:
        assert db.scalars(select(Note.text)).all() == ["written"]


def test_a_worker_claims_no_more_of_a_function_that_it_does_not_know(new: ConvexTest, old: ConvexTest) -> None:
    new.run(plan, kind="mutation")
    old.run_due()
    later = new.run(plan, kind="mutation")
    dispatcher = old.convex.worker.dispatcher
    assert dispatcher.next_dues()["mutation"] is None
    assert dispatcher.claim(Kind.MUTATION, 10) == []
    with old.convex.database.write_internal() as connection:
        jobs.insert_jobs(connection, [NewJob(new_job_id(), "made:unrelated", "mutation", "{}", START)], START)
    assert [claim.name for claim in dispatcher.claim(Kind.MUTATION, 10)] == ["made:unrelated"]
    assert later in {claim.job_id for claim in new.convex.worker.dispatcher.claim(Kind.MUTATION, 10)}


def test_what_was_due_for_long_is_still_left_for_the_whole_patience(new: ConvexTest, old: ConvexTest) -> None:
    job_id = new.run(plan, kind="mutation")
    for _ in range(60):  # there is much to do, and no worker comes to it
        new.clock.move_to(new.now + timedelta(seconds=20))
        new.convex.worker.heartbeat.beat()
    old.clock.move_to(new.now)
    old.convex.worker.heartbeat.beat()
    old.run_due()
    both_live_on(new, old, seconds=20)
    job = old.job(job_id)
    assert job is not None
    assert job.state.kind == "pending"


def test_what_was_left_is_claimed_when_the_others_are_gone(new: ConvexTest, old: ConvexTest) -> None:
    job_id = new.run(plan, kind="mutation")
    old.run_due()
    new.convex.worker.heartbeat.leave()
    old.advance(seconds=20)  # found at a heartbeat
    old.run_due()
    job = old.job(job_id)
    assert job is not None
    assert job.state.kind == "failed"


def test_another_version_of_the_app_claims_what_the_one_before_left(new: ConvexTest, old: ConvexTest) -> None:
    job_id = new.run(plan, kind="mutation")
    old.run_due()
    old.convex.worker.adopt(new.convex.app)
    (claim,) = old.convex.worker.dispatcher.claim(Kind.MUTATION, 10)
    assert claim.job_id == job_id


@pytest.mark.parametrize("kind", ["mutation", "action"])
def test_what_no_worker_runs_for_long_fails_with_the_reason(new: ConvexTest, old: ConvexTest, kind: str) -> None:
    job_id = new.run(plan, kind=kind)
    for _ in range(12):
        both_live_on(new, old, seconds=20)
        job = old.job(job_id)
        assert job is not None
        assert job.state.kind == "pending"
    for _ in range(12):
        both_live_on(new, old, seconds=20)
    job = old.job(job_id)
    assert job is not None
    assert job.state.kind == "failed"
    assert f"there is no function {job.name!r}" in str(job.state.error)


def test_a_worker_that_is_alone_fails_it_at_once(new: ConvexTest, old: ConvexTest) -> None:
    job_id = new.run(plan, kind="mutation")
    new.convex.worker.heartbeat.leave()
    old.run_due()
    job = old.job(job_id)
    assert job is not None
    assert job.state.kind == "failed"
