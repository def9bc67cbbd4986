"""Canceling: what waits never runs, and what is over stays as it is.

Shown here, from the paragraph on canceling (the checklist has no numbers for it):

* pending: never runs.
* finished, unknown, purged: nothing happens. Malformed: an error.
* canceling is part of the mutation that does it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from app.models import Note, Subscription, User
from app.subscriptions import cancel_subscription, create_subscription
from sqlalchemy import select
from support.apps import START
from support.faults import PlannedErrors, a_conflict

from convexpy import ActionCtx, ConvexError, InvalidSchedule, JobId, MutationCtx, action, internal_mutation, mutation
from convexpy.testing import ConvexTest

seen: list[Any] = []
planned = PlannedErrors()


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    seen.clear()
    planned.reset()


@internal_mutation
def work(ctx: MutationCtx, text: str = "work") -> None:
    planned.raise_next()
    ctx.db.add(Note(text=text))


@action
async def act(ctx: ActionCtx) -> str:
    seen.append("act")
    return "result"


@mutation
def schedule_work(ctx: MutationCtx, text: str = "work") -> JobId:
    return ctx.schedule.after(timedelta(seconds=1), work, text=text)


@mutation
def schedule_act(ctx: MutationCtx) -> JobId:
    return ctx.schedule.after(timedelta(seconds=1), act)


@mutation
def cancel(ctx: MutationCtx, job_id: Any, fail: bool = False, times: int = 1) -> None:
    for _ in range(times):
        ctx.schedule.cancel(job_id)
    if fail:
        raise ValueError("not canceled after all")


@action
async def cancel_outside(ctx: ActionCtx, job_id: Any, fail: bool = False) -> None:
    await ctx.schedule.cancel(job_id)
    if fail:
        raise ValueError("canceled all the same")


def texts(convex: ConvexTest) -> list[str]:
    with convex.db() as db:
        return list(db.scalars(select(Note.text).order_by(Note.id)))


def state(convex: ConvexTest, job_id: JobId) -> str:
    job = convex.job(job_id)
    assert job is not None
    return job.state.kind


# ---------------------------------------------------------------------------------------------- pending


@pytest.mark.parametrize("schedule", [schedule_work, schedule_act], ids=["mutation", "action"])
@pytest.mark.parametrize("how", [cancel, cancel_outside], ids=["in a mutation", "in an action"])
def test_a_pending_job_that_is_canceled_never_runs(convex: ConvexTest, schedule: Any, how: Any) -> None:
    job_id = convex.run(schedule)
    convex.advance(seconds=0.5)
    convex.run(how, job_id=job_id)
    job = convex.job(job_id)
    assert job is not None
    assert (job.state.kind, job.state.error) == ("canceled", None)
    assert job.completed_time == START + timedelta(seconds=0.5)
    assert job.scheduled_time == START + timedelta(seconds=1)
    convex.advance(days=1)
    assert (texts(convex), seen, state(convex, job_id)) == ([], [], "canceled")


def test_an_operator_cancels_like_a_function(convex: ConvexTest) -> None:
    job_id = convex.run(schedule_work)
    canceled = convex.call("_system/jobs:cancel", {"job_id": job_id})
    assert canceled["state"] == {"kind": "canceled"}
    convex.advance(days=1)
    assert texts(convex) == []


def test_a_cancel_is_undone_with_the_mutation_that_did_it(convex: ConvexTest) -> None:
    job_id = convex.run(schedule_work)
    with pytest.raises(ValueError, match="after all"):
        convex.run(cancel, job_id=job_id, fail=True)
    assert state(convex, job_id) == "pending"
    convex.advance(seconds=1)
    assert texts(convex) == ["work"]


def test_a_cancel_in_an_action_stays_when_the_action_fails(convex: ConvexTest) -> None:
    job_id = convex.run(schedule_work)
    with pytest.raises(ValueError, match="all the same"):
        convex.run(cancel_outside, job_id=job_id, fail=True)
    assert state(convex, job_id) == "canceled"


def test_the_job_id_is_kept_in_the_users_own_row_and_canceled_from_there(shop: ConvexTest) -> None:
    with shop.db() as db:
        db.add(User(id="u1"))
    user = shop.as_user("u1")
    keep = user.run(create_subscription, plan="keep")
    drop = user.run(create_subscription, plan="drop")
    with shop.db() as db:
        job_id = db.get_one(Subscription, drop).expiration_job
    assert job_id is not None
    user.run(cancel_subscription, subscription_id=drop)
    assert [job.id for job in shop.jobs(state="canceled")] == [job_id]
    with pytest.raises(ConvexError, match="Subscription not found"):
        user.run(cancel_subscription, subscription_id=drop)
    shop.finish_all_scheduled()
    with shop.db() as db:
        assert db.get(Subscription, keep) is None
    assert shop.now == START + timedelta(days=30)


def test_a_job_that_waits_for_its_next_try_can_be_canceled(convex: ConvexTest) -> None:
    planned.reset(*(a_conflict() for _ in range(100)))
    job_id = convex.run(schedule_work)
    convex.advance(seconds=1)
    assert planned.times >= 1
    convex.run(cancel, job_id=job_id)
    calls = planned.times
    convex.advance(days=1)
    assert (planned.times, state(convex, job_id)) == (calls, "canceled")


# ---------------------------------------------------------------------------------------------- over, or never there


def test_canceling_what_is_over_changes_nothing(convex: ConvexTest) -> None:
    done, failed, canceled = (convex.run(schedule_work, text=text) for text in ("a", "b", "c"))
    convex.run(cancel, job_id=canceled)
    planned.reset(ValueError("b"))
    convex.advance(seconds=1)
    before = {job.id: (job.state, job.completed_time) for job in convex.jobs()}
    assert sorted(state.kind for state, _ in before.values()) == ["canceled", "failed", "success"]
    convex.advance(seconds=1)
    for job_id in (done, failed, canceled):
        convex.run(cancel, job_id=job_id)
        convex.run(cancel_outside, job_id=job_id)
    assert {job.id: (job.state, job.completed_time) for job in convex.jobs()} == before


def test_canceling_an_unknown_or_purged_job_does_nothing(convex: ConvexTest) -> None:
    job_id = convex.run(schedule_work)
    convex.advance(days=8)
    assert convex.job(job_id) is None
    for unknown in (job_id, JobId("0" * 32)):
        convex.run(cancel, job_id=unknown)
        convex.run(cancel_outside, job_id=unknown)
    assert convex.jobs() == []


@pytest.mark.parametrize("malformed", ["", "x", "0" * 31, "0" * 33, "G" * 32, " " + "0" * 31, None, 5, True, b"0" * 32])
@pytest.mark.in_turns
def test_a_malformed_id_is_an_error(convex: ConvexTest, malformed: object) -> None:
    for how in (cancel, cancel_outside):
        with pytest.raises(InvalidSchedule, match="is not a job id"):
            convex.run(how, job_id=malformed)


def test_canceling_twice_in_one_mutation_is_canceling_once(convex: ConvexTest) -> None:
    job_id = convex.run(schedule_work)
    convex.run(cancel, job_id=job_id, times=3)
    assert state(convex, job_id) == "canceled"
