"""Several workers: one that only seems dead keeps its jobs, and one that lacks a function leaves it to the others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import ModuleType

from sqlalchemy import delete
from support.apps import START, app_of

from convexpy import ActionCtx, Convex, JobId, MutationCtx, action, mutation
from convexpy.database.tables import workers
from convexpy.database.workers import LOST_ACTION, jobs_of_worker
from convexpy.functions.declare import Kind
from convexpy.testing import ConvexTest


@mutation
def work(ctx: MutationCtx) -> None: ...


@action
async def act(ctx: ActionCtx) -> None: ...


@mutation
def schedule(ctx: MutationCtx) -> JobId:
    return ctx.schedule.now(work)


@mutation
def schedule_act(ctx: MutationCtx) -> JobId:
    return ctx.schedule.now(act)


@mutation
def unrelated(ctx: MutationCtx) -> None: ...


@contextmanager
def another(database: str, functions: ModuleType, convex: ConvexTest) -> Iterator[Convex]:
    """Another process on the same database and under the same clock."""
    with Convex(database, functions=functions, clock=convex.clock) as other:
        other.migrate()
        other.worker.prepare(other.app)
        yield other


def state(convex: ConvexTest, job_id: JobId) -> tuple[str, str | None]:
    job = convex.job(job_id)
    assert job is not None
    return job.state.kind, job.state.error


def test_a_clock_that_jumps_gives_up_no_worker_that_is_alive(database: str) -> None:
    app = app_of(act, schedule_act)
    with ConvexTest(app, database_url=database, now=START) as convex, another(database, app, convex) as other:
        recovery = convex.convex.worker.recovery
        job_id = convex.run(schedule_act)
        (claim,) = other.worker.dispatcher.claim(Kind.ACTION, 1)
        assert other.worker.executor._start(claim, "token")
        for _ in range(3):
            convex.clock.move_to(convex.now + timedelta(hours=1))
            recovery.recover_dead()
            assert other.worker.heartbeat.beat()
            recovery.recover_dead()
        assert state(convex, job_id) == ("inProgress", None)
        convex.clock.move_to(convex.now + timedelta(hours=1))
        recovery.recover_dead()
        recovery.recover_dead()
        assert state(convex, job_id) == ("failed", LOST_ACTION)


def test_a_job_that_another_worker_knows_is_left_to_it(database: str) -> None:
    new, old = app_of(work, schedule), app_of(unrelated)
    with ConvexTest(new, database_url=database, now=START) as convex, another(database, old, convex) as other:
        job_id = convex.run(schedule)
        (claim,) = other.worker.dispatcher.claim(Kind.MUTATION, 1)
        other.worker.run(claim)
        assert state(convex, job_id) == ("pending", None)
        convex.advance(seconds=1)
        assert state(convex, job_id) == ("success", None)


def test_a_job_that_no_worker_knows_fails_after_the_patience(database: str) -> None:
    with ConvexTest(app_of(work, schedule), database_url=database, now=START) as before:
        job_id = before.run(schedule)
    app = app_of(unrelated)
    with ConvexTest(app, database_url=database, now=START) as convex, another(database, app, convex) as other:
        patience = convex.convex.settings.unknown_function_patience
        while convex.now < START + patience - timedelta(seconds=30):
            convex.advance(seconds=30)
            assert other.worker.heartbeat.beat()
        assert state(convex, job_id) == ("pending", None)
        for _ in range(6):
            convex.advance(seconds=30)
            assert other.worker.heartbeat.beat()
        kind, error = state(convex, job_id)
        assert (kind, "there is no function 'made:work'" in str(error)) == ("failed", True)


def held(convex: ConvexTest, worker: str) -> set[JobId]:
    with convex.convex.database.read_internal() as connection:
        return jobs_of_worker(connection, worker)


def test_an_untracked_claim_is_given_back_at_the_second_round(database: str) -> None:
    with ConvexTest(app_of(work, schedule), database_url=database, now=START) as convex:
        worker = convex.convex.worker
        job_id = convex.run(schedule)
        worker.dispatcher.claim(Kind.MUTATION, 1)  # its answer was lost: no pool has it
        worker.recovery.reclaim()
        assert held(convex, worker.heartbeat.worker) == {job_id}  # it may be just on its way to its pool
        worker.recovery.reclaim()
        assert held(convex, worker.heartbeat.worker) == set()
        convex.advance(seconds=1)
        assert state(convex, job_id) == ("success", None)


def test_a_tracked_claim_is_left_to_its_worker(database: str) -> None:
    with ConvexTest(app_of(work, schedule), database_url=database, now=START) as convex:
        worker = convex.convex.worker
        job_id = convex.run(schedule)
        (claim,) = worker.dispatcher.claim(Kind.MUTATION, 1)
        worker.recovery.tracked = lambda: {job_id}  # by the account of the pool in which it runs
        for _ in range(3):
            worker.recovery.reclaim()
        worker.run(claim)
        assert state(convex, job_id) == ("success", None)


def test_the_jobs_of_a_worker_that_is_not_registered_are_run_by_others(database: str) -> None:
    app = app_of(work, schedule)
    with ConvexTest(app, database_url=database, now=START) as convex, another(database, app, convex) as other:
        job_id = convex.run(schedule)
        other.worker.dispatcher.claim(Kind.MUTATION, 1)
        with convex.convex.database.write_internal() as connection:
            connection.execute(delete(workers).where(workers.c.id == other.worker.heartbeat.worker))
        convex.convex.worker.recovery.recover_dead()
        convex.advance(seconds=1)
        assert state(convex, job_id) == ("success", None)


def test_a_worker_that_was_given_up_claims_under_a_new_id(database: str) -> None:
    app = app_of(work, schedule)
    with ConvexTest(app, database_url=database, now=START) as convex, another(database, app, convex) as other:
        job_id, old_id = convex.run(schedule), other.worker.heartbeat.worker
        with convex.convex.database.write_internal() as connection:
            connection.execute(delete(workers).where(workers.c.id == old_id))
        (claim,) = other.worker.dispatcher.claim(Kind.MUTATION, 1)
        convex.convex.worker.recovery.recover_dead()
        assert (held(convex, old_id), held(convex, other.worker.heartbeat.worker)) == (set(), {job_id})
        other.worker.run(claim)
        assert state(convex, job_id) == ("success", None)
