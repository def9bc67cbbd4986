"""A job that meets an error of the database: what follows is not what follows for a direct call.

=================== ======================================================
scheduled mutation  pending, tried again without end: exactly once
scheduled action    never run again: at most once
=================== ======================================================

==== ======================================================================================
S8   test_a_scheduled_mutation_is_tried_until_it_succeeds_once
==== ======================================================================================
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from app.models import Note
from sqlalchemy import select
from support.apps import START
from support.faults import PlannedErrors, a_conflict, a_disk_error

from convexpy import ActionCtx, JobId, MutationCtx, action, mutation
from convexpy.testing import ConvexTest

promise = pytest.mark.promise
planned = PlannedErrors()
attempts: list[Any] = []


@pytest.fixture(autouse=True)
def no_errors() -> None:
    planned.reset()
    attempts.clear()


@mutation
def work(ctx: MutationCtx, text: str = "work") -> str:
    attempts.append(ctx.job.attempt if ctx.job else None)
    ctx.db.add(Note(text=text))
    ctx.db.flush()
    planned.raise_next()
    return "done"


@action
async def act(ctx: ActionCtx) -> None:
    attempts.append(ctx.job.attempt if ctx.job else None)
    planned.raise_next()


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
    planned.reset(*(trouble() for _ in range(30)))
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
    planned.reset(*(a_disk_error() for _ in range(20)))
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
    planned.reset(*(a_conflict() for _ in range(10)))
    convex.run(schedule)
    convex.run_due()
    planned.reset()
    other = convex.run(schedule)
    convex.run_due()
    assert convex.job(other).state.kind == "success"  # type: ignore[union-attr]


# ---------------------------------------------------------------------------------------------- a scheduled action


@pytest.mark.parametrize("trouble", [a_conflict, a_disk_error])
def test_a_scheduled_action_is_never_run_again_whatever_failed(convex: ConvexTest, trouble: Any) -> None:
    planned.reset(trouble())
    job_id = convex.run(schedule, what="act")
    convex.advance(days=1)
    assert convex.job(job_id).state.kind == "failed"  # type: ignore[union-attr]
    assert attempts == [1]


def test_the_mutations_of_an_action_are_tried_again_but_not_the_action(convex: ConvexTest) -> None:
    planned.reset(a_conflict(), a_conflict())
    job_id = convex.run(schedule, what="through")
    convex.advance(days=1)
    assert convex.job(job_id).state.kind == "success"  # type: ignore[union-attr]
    assert (attempts, texts(convex)) == (["action", 1, 1, 1], ["by action 1"])
    planned.reset(*(a_conflict() for _ in range(100)))
    job_id = convex.run(schedule, what="through")
    convex.advance(days=1)
    job = convex.job(job_id)
    assert job is not None
    assert job.state.kind == "failed"
    assert "conflicted with other transactions" in str(job.state.error)
    assert attempts.count("action") == 2
