"""A job that meets an error of the database, or whose process dies: what follows is not what follows for a direct call.

=================== ======================================================
scheduled mutation  pending, tried again without end: exactly once
scheduled action    never run again: at most once
=================== ======================================================

==== ======================================================================================
S8   test_a_scheduled_mutation_is_tried_until_it_succeeds_once
S18  test_a_mutation_whose_process_died_runs_once
==== ======================================================================================
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from app.models import Base, Note
from sqlalchemy import select
from stage import START, Unlucky, a_conflict, a_disk_error

from convexpy import ActionCtx, Convex, JobId, MutationCtx, action, mutation
from convexpy.functions.declare import Kind
from convexpy.testing import ConvexTest
from convexpy.testing.worker import VirtualWorker

promise = pytest.mark.promise
unlucky = Unlucky()
attempts: list[Any] = []


@pytest.fixture(autouse=True)
def good_luck() -> None:
    unlucky.reset()
    attempts.clear()


@mutation
def work(ctx: MutationCtx, text: str = "work") -> str:
    attempts.append(ctx.job.attempt if ctx.job else None)
    ctx.db.add(Note(text=text))
    ctx.db.flush()
    unlucky.strike()
    return "done"


@action
async def act(ctx: ActionCtx) -> None:
    attempts.append(ctx.job.attempt if ctx.job else None)
    unlucky.strike()


@action
async def act_through_a_mutation(ctx: ActionCtx) -> None:
    attempts.append("action")
    await ctx.run_mutation(work, text=f"by action {attempts.count('action')}")


@mutation
def schedule(ctx: MutationCtx, what: str = "work") -> JobId:
    what_to_run: Any = {"work": work, "act": act, "through": act_through_a_mutation}[what]
    return ctx.schedule.now(what_to_run)


def texts(convex: ConvexTest) -> list[str]:
    with convex.db() as db:
        return list(db.scalars(select(Note.text)))


# ---------------------------------------------------------------------------------------------- a scheduled mutation


@promise("S8")
@pytest.mark.parametrize("trouble", [a_conflict, a_disk_error])
def test_a_scheduled_mutation_is_tried_until_it_succeeds_once(convex: ConvexTest, trouble: Any) -> None:
    unlucky.reset(*(trouble() for _ in range(30)))
    job_id = convex.run(schedule)
    convex.run_due()
    job = convex.job(job_id)
    assert job is not None
    assert (job.state.kind, job.attempts, job.completed_time) == ("pending", 1, None)
    assert job.last_error is not None
    convex.advance(hours=1)
    job = convex.job(job_id)
    assert job is not None
    assert (job.state.kind, job.attempts) == ("success", 31)
    assert attempts == list(range(1, 32))
    assert texts(convex) == ["work"]


def test_the_tries_of_a_scheduled_mutation_are_at_most_a_minute_apart(convex: ConvexTest) -> None:
    unlucky.reset(*(a_disk_error() for _ in range(20)))
    job_id = convex.run(schedule)
    convex.run_due()
    for failures in range(1, 21):
        job = convex.job(job_id)
        assert job is not None
        assert (job.attempts, job.scheduled_time) == (failures, START)
        assert job.next_try is not None
        longest = min(timedelta(milliseconds=100) * 2 ** (failures - 1), timedelta(seconds=60))
        assert longest / 2 <= job.next_try - convex.now <= longest
        convex.advance(job.next_try - convex.now)
    assert convex.job(job_id).state.kind == "success"  # type: ignore[union-attr]


def test_the_other_jobs_do_not_wait_for_one_that_is_tried_again(convex: ConvexTest) -> None:
    unlucky.reset(*(a_conflict() for _ in range(10)))
    convex.run(schedule)
    convex.run_due()
    unlucky.reset()
    other = convex.run(schedule)
    convex.run_due()
    assert convex.job(other).state.kind == "success"  # type: ignore[union-attr]


@pytest.fixture
def another(convex: ConvexTest, request: pytest.FixtureRequest) -> Any:
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
    another.worker.executor.exactly_once(claim)
    assert (texts(convex), attempts) == (["work"], [2])


def test_two_workers_never_have_the_same_job(convex: ConvexTest, another: Convex) -> None:
    for _ in range(5):
        convex.run(schedule)
    first = another.worker.dispatcher.claim(Kind.MUTATION, 3)
    second = convex.convex.worker.dispatcher.claim(Kind.MUTATION, 10)
    assert (len(first), len(second)) == (3, 2)
    assert len({claim.job_id for claim in (*first, *second)}) == 5


# ---------------------------------------------------------------------------------------------- a scheduled action


@pytest.mark.parametrize("trouble", [a_conflict, a_disk_error])
def test_a_scheduled_action_is_never_run_again_whatever_failed(convex: ConvexTest, trouble: Any) -> None:
    unlucky.reset(trouble())
    job_id = convex.run(schedule, what="act")
    convex.advance(days=1)
    assert convex.job(job_id).state.kind == "failed"  # type: ignore[union-attr]
    assert attempts == [1]


def test_the_mutations_of_an_action_are_tried_again_but_not_the_action(convex: ConvexTest) -> None:
    unlucky.reset(a_conflict(), a_conflict())
    job_id = convex.run(schedule, what="through")
    convex.advance(days=1)
    assert convex.job(job_id).state.kind == "success"  # type: ignore[union-attr]
    assert (attempts, texts(convex)) == (["action", 1, 1, 1], ["by action 1"])
    unlucky.reset(*(a_conflict() for _ in range(100)))
    job_id = convex.run(schedule, what="through")
    convex.advance(days=1)
    job = convex.job(job_id)
    assert job is not None
    assert job.state.kind == "failed"
    assert "other transactions were in the way" in str(job.state.error)
    assert attempts.count("action") == 2


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
    assert not another.worker.executor._finish(claim, "token", None)
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
    VirtualWorker(another).execute(old)
    assert attempts == []
    VirtualWorker(convex.convex).execute(new)
    assert attempts == [1]
    assert convex.job(job_id).state.kind == "success"  # type: ignore[union-attr]
