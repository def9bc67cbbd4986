"""What a claim is worth: a job whose worker died runs once more or never, and an old claim ends nothing.

==== ======================================================================================
S18  test_a_mutation_whose_process_died_runs_once
==== ======================================================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from app.models import Base, Note
from sqlalchemy import select

from convexpy import ActionCtx, Convex, JobId, MutationCtx, action, mutation
from convexpy.database.claim import ClaimKey
from convexpy.functions.declare import Kind
from convexpy.testing import ConvexTest

promise = pytest.mark.promise
attempts: list[Any] = []


@pytest.fixture(autouse=True)
def nothing_attempted() -> None:
    attempts.clear()


@mutation
def work(ctx: MutationCtx) -> None:
    attempts.append(ctx.job and ctx.job.attempt)
    ctx.db.add(Note(text="work"))


@action
async def act(ctx: ActionCtx) -> None:
    attempts.append(ctx.job and ctx.job.attempt)


@mutation
def schedule(ctx: MutationCtx, what: str = "work") -> JobId:
    return ctx.schedule.now(act) if what == "act" else ctx.schedule.now(work)


@mutation
def cancel(ctx: MutationCtx, job_id: JobId) -> None:
    ctx.schedule.cancel(job_id)


def texts(convex: ConvexTest) -> list[str]:
    with convex.db() as db:
        return list(db.scalars(select(Note.text)))


@pytest.fixture
def another(convex: ConvexTest, request: pytest.FixtureRequest) -> Iterator[Convex]:
    """Another process on the same database and under the same clock. It dies where the test leaves it."""
    url = str(convex.convex.database.url)
    other = Convex(url, functions=request.module, metadata=Base.metadata, clock=convex.clock)
    other.migrate()
    other.worker.prepare(other.app)
    yield other
    other.close()


@promise("S18")
def test_a_mutation_whose_process_died_runs_once(convex: ConvexTest, another: Convex) -> None:
    job_id = convex.run(schedule)
    (claim,) = another.worker.dispatcher.claim(Kind.MUTATION, 10)
    convex.advance(seconds=59)
    assert attempts == []
    convex.advance(seconds=2)
    convex.advance(seconds=1)
    assert convex.job(job_id).state.kind == "success"  # type: ignore[union-attr]
    # The dead one was only slow: what it still does comes too late.
    another.worker.run(claim)
    job = convex.job(job_id)
    assert job is not None
    assert (texts(convex), job.state.kind, job.attempts, attempts) == (["work"], "success", 2, [2])


def test_two_workers_never_have_the_same_job(convex: ConvexTest, another: Convex) -> None:
    for _ in range(5):
        convex.run(schedule)
    first = another.worker.dispatcher.claim(Kind.MUTATION, 3)
    second = convex.convex.worker.dispatcher.claim(Kind.MUTATION, 10)
    assert (len(first), len(second)) == (3, 2)
    assert len({claim.job_id for claim in (*first, *second)}) == 5


def test_an_action_whose_process_died_is_failed_and_never_run_again(convex: ConvexTest, another: Convex) -> None:
    job_id = convex.run(schedule, what="act")
    (claim,) = another.worker.dispatcher.claim(Kind.ACTION, 10)
    assert another.worker.executor._start(claim, "token")
    convex.advance(seconds=59)
    assert convex.job(job_id).state.kind == "inProgress"  # type: ignore[union-attr]
    convex.advance(seconds=2)
    job = convex.job(job_id)
    assert job is not None
    assert job.state.kind == "failed"
    assert "died before it finished" in str(job.state.error)
    convex.advance(days=1)
    assert attempts == []
    # The dead one was only slow: its end comes too late.
    assert not another.worker.executor._finish(ClaimKey(claim.job_id, "token"), None)
    assert convex.job(job_id).state.kind == "failed"  # type: ignore[union-attr]


def test_an_action_that_was_claimed_but_not_begun_runs_once(convex: ConvexTest, another: Convex) -> None:
    job_id = convex.run(schedule, what="act")
    (claim,) = another.worker.dispatcher.claim(Kind.ACTION, 10)
    convex.advance(seconds=61)
    convex.advance(seconds=1)
    assert convex.job(job_id).state.kind == "success"  # type: ignore[union-attr]
    assert not another.worker.executor._start(claim, "token")
    assert attempts == [2]


@pytest.mark.parametrize(("what", "kind"), [("work", Kind.MUTATION), ("act", Kind.ACTION)])
def test_an_old_claim_is_worth_nothing_once_another_worker_has_the_job(
    convex: ConvexTest, another: Convex, what: str, kind: Kind
) -> None:
    job_id = convex.run(schedule, what=what)
    (old,) = another.worker.dispatcher.claim(kind, 10)
    another.worker.dispatcher.unclaim([old])
    (new,) = convex.convex.worker.dispatcher.claim(kind, 10)
    another.worker.run(old)
    assert attempts == []
    convex.convex.worker.run(new)
    assert len(attempts) == 1
    assert convex.job(job_id).state.kind == "success"  # type: ignore[union-attr]


@pytest.mark.parametrize(("what", "kind"), [("work", Kind.MUTATION), ("act", Kind.ACTION)])
def test_a_job_that_is_canceled_after_it_was_claimed_does_not_run(convex: ConvexTest, what: str, kind: Kind) -> None:
    job_id = convex.run(schedule, what=what)
    (claim,) = convex.convex.worker.dispatcher.claim(kind, 10)
    convex.run(cancel, job_id=job_id)
    convex.convex.worker.run(claim)
    job = convex.job(job_id)
    assert job is not None
    assert (job.state.kind, attempts) == ("canceled", [])


def test_an_action_whose_process_died_is_announced_and_logged(
    convex: ConvexTest, another: Convex, caplog: pytest.LogCaptureFixture
) -> None:
    job_id = convex.run(schedule, what="act")
    (claim,) = another.worker.dispatcher.claim(Kind.ACTION, 10)
    assert another.worker.executor._start(claim, "token")
    runs: list[Any] = []
    convex.convex.on_run(runs.append)
    convex.advance(seconds=61)
    convex.advance(seconds=1)
    [run] = [run for run in runs if run.job_id == job_id]
    assert (run.name, run.kind, run.outcome, run.attempt) == ("test_job_claims:act", "action", "failed", 1)
    assert "died" in run.error
    assert (run.exception, run.trace) == (None, None)
    [record] = [record for record in caplog.records if record.levelname == "ERROR"]
    assert (vars(record)["function"], vars(record)["job"]) == ("test_job_claims:act", job_id)
