"""Canceling: what waits never runs, what runs ends for nothing, and what is over stays as it is.

Shown here, from the paragraph on canceling (the checklist has no numbers for it):

* pending: never runs. Running action: canceled at once, runs on, its result and its later schedules do not count.
* finished, unknown, purged: nothing happens. Malformed: an error. A mutation's own job: an error.
* canceling is part of the mutation that does it; racing with a run, exactly one wins.
"""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from app.models import Note, Subscription, User
from app.subscriptions import cancel_subscription, create_subscription
from sqlalchemy import select
from stage import START, Unlucky, a_conflict

from convexpy import (
    ActionCtx,
    ConvexError,
    InvalidSchedule,
    JobId,
    MutationCtx,
    SyncActionCtx,
    action,
    internal_mutation,
    mutation,
)
from convexpy.functions.declare import Kind
from convexpy.testing import ConvexTest
from convexpy.testing.worker import VirtualWorker

seen: list[Any] = []
outside: list[ConvexTest] = []
unlucky = Unlucky()


@pytest.fixture(autouse=True)
def from_outside(convex: ConvexTest) -> None:
    seen.clear()
    unlucky.reset()
    outside[:] = [convex]


@internal_mutation
def work(ctx: MutationCtx, text: str = "work") -> None:
    unlucky.strike()
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
    canceled = convex.convex.system.cancel(job_id)
    assert canceled is not None
    assert canceled.state.kind == "canceled"
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
    unlucky.reset(*(a_conflict() for _ in range(100)))
    job_id = convex.run(schedule_work)
    convex.advance(seconds=1)
    assert unlucky.strikes >= 1
    convex.run(cancel, job_id=job_id)
    strikes = unlucky.strikes
    convex.advance(days=1)
    assert (unlucky.strikes, state(convex, job_id)) == (strikes, "canceled")


# ---------------------------------------------------------------------------------------------- over, or never there


def test_canceling_what_is_over_changes_nothing(convex: ConvexTest) -> None:
    done, failed, canceled = (convex.run(schedule_work, text=text) for text in ("a", "b", "c"))
    convex.run(cancel, job_id=canceled)
    unlucky.reset(ValueError("b"))
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
def test_a_malformed_id_is_an_error(convex: ConvexTest, malformed: object) -> None:
    for how in (cancel, cancel_outside):
        with pytest.raises(InvalidSchedule, match="is not a job id"):
            convex.run(how, job_id=malformed)


def test_canceling_twice_in_one_mutation_is_canceling_once(convex: ConvexTest) -> None:
    job_id = convex.run(schedule_work)
    convex.run(cancel, job_id=job_id, times=3)
    assert state(convex, job_id) == "canceled"


# ---------------------------------------------------------------------------------------------- running


@mutation
def cancel_myself(ctx: MutationCtx, catch: bool) -> None:
    assert ctx.job is not None
    ctx.db.add(Note(text="mine"))
    try:
        ctx.schedule.cancel(ctx.job.id)
    except InvalidSchedule:
        if not catch:
            raise


@mutation
def schedule_self_canceling(ctx: MutationCtx, catch: bool) -> JobId:
    return ctx.schedule.now(cancel_myself, catch=catch)


def test_a_mutation_that_cancels_its_own_job_is_an_error(convex: ConvexTest) -> None:
    job_id = convex.run(schedule_self_canceling, catch=False)
    convex.run_due()
    job = convex.job(job_id)
    assert job is not None
    assert job.state.kind == "failed"
    assert job.state.error is not None
    assert "a mutation cannot cancel the job that runs it" in job.state.error
    assert texts(convex) == []


def test_a_mutation_may_catch_that_error(convex: ConvexTest) -> None:
    job_id = convex.run(schedule_self_canceling, catch=True)
    convex.run_due()
    assert (state(convex, job_id), texts(convex)) == ("success", ["mine"])


@mutation
def schedule_from_a_mutation(ctx: MutationCtx) -> JobId:
    return ctx.schedule.now(work, text="by a mutation")


@action
async def be_canceled(ctx: ActionCtx) -> str:
    assert ctx.job is not None
    before = await ctx.schedule.now(work, text="before")
    outside[0].run(cancel, job_id=ctx.job.id)
    job = await ctx.system.get(ctx.job.id)
    assert job is not None
    seen.append((job.state.kind, job.completed_time))
    after = await ctx.schedule.now(work, text="after")
    nested = await ctx.run_mutation(schedule_from_a_mutation)
    deeper = await ctx.run_action(schedule_from_an_action)
    await ctx.run_mutation(work, text="written all the same")
    seen.append([before, after, nested, deeper])
    return "dropped"


@action
async def schedule_from_an_action(ctx: ActionCtx) -> JobId:
    return await ctx.schedule.after(1000, work, text="by an action")


@action
def be_canceled_plainly(ctx: SyncActionCtx) -> None:
    assert ctx.job is not None
    before = ctx.schedule.now(work, text="before")
    ctx.schedule.cancel(ctx.job.id)
    job = ctx.system.get(ctx.job.id)
    assert job is not None
    seen.append((job.state.kind, job.completed_time))
    after = ctx.schedule.now(work, text="after")
    nested = ctx.run_mutation(schedule_from_a_mutation)
    deeper = ctx.run_action(schedule_from_an_action)
    ctx.run_mutation(work, text="written all the same")
    seen.append([before, after, nested, deeper])
    raise ValueError("an error is dropped as well")


@mutation
def schedule_to_be_canceled(ctx: MutationCtx, plainly: bool) -> JobId:
    return ctx.schedule.now(be_canceled_plainly) if plainly else ctx.schedule.now(be_canceled)


@pytest.mark.parametrize("plainly", [False, True], ids=["async", "def"])
def test_a_running_action_is_canceled_at_once_and_runs_on_for_nothing(convex: ConvexTest, plainly: bool) -> None:
    job_id = convex.run(schedule_to_be_canceled, plainly=plainly)
    convex.run_due()
    job = convex.job(job_id)
    assert job is not None
    assert (job.state.kind, job.state.error, job.completed_time) == ("canceled", None, START)
    assert seen[0] == ("canceled", START)
    before, *later = seen[1]
    assert state(convex, before) == "success"
    assert [state(convex, job_id) for job_id in later] == ["canceled"] * 3
    assert all(convex.job(job_id).completed_time == START for job_id in later)  # type: ignore[union-attr]
    convex.advance(days=1)
    assert sorted(texts(convex)) == ["before", "written all the same"]


@mutation
def cancel_then_schedule(ctx: MutationCtx, job_id: JobId) -> list[JobId]:
    before = ctx.schedule.now(work, text="before")
    ctx.schedule.cancel(job_id)
    return [before, ctx.schedule.now(work, text="after")]


@action
async def cancel_myself_in_a_mutation(ctx: ActionCtx) -> None:
    assert ctx.job is not None
    seen.append(await ctx.run_mutation(cancel_then_schedule, job_id=ctx.job.id))


@mutation
def schedule_that(ctx: MutationCtx) -> JobId:
    return ctx.schedule.now(cancel_myself_in_a_mutation)


def test_what_the_mutation_schedules_that_canceled_the_running_action_is_canceled_from_there_on(
    convex: ConvexTest,
) -> None:
    job_id = convex.run(schedule_that)
    convex.run_due()
    before, after = seen[0]
    assert [state(convex, each) for each in (job_id, before, after)] == ["canceled", "success", "canceled"]


# ---------------------------------------------------------------------------------------------- races


@pytest.mark.parametrize("schedule", [schedule_work, schedule_act], ids=["mutation", "action"])
def test_a_job_that_is_canceled_after_it_was_claimed_does_not_run(convex: ConvexTest, schedule: Any) -> None:
    job_id = convex.run(schedule)
    convex.clock.move_to(START + timedelta(seconds=1))
    kind = Kind.MUTATION if schedule is schedule_work else Kind.ACTION
    (claim,) = convex.convex.service.dispatcher.claim(kind, 10)
    convex.run(cancel, job_id=job_id)
    VirtualWorker(convex.convex).execute(claim)
    assert (state(convex, job_id), texts(convex), seen) == ("canceled", [], [])


@internal_mutation
def hold_the_transaction(ctx: MutationCtx) -> None:
    ctx.db.add(Note(text="ran"))
    ctx.db.flush()
    started.set()
    assert go_on.wait(2)


@mutation
def schedule_holding(ctx: MutationCtx) -> JobId:
    return ctx.schedule.now(hold_the_transaction)


started = threading.Event()
go_on = threading.Event()


def test_a_cancel_that_comes_while_the_mutation_runs_comes_too_late(convex: ConvexTest) -> None:
    started.clear()
    go_on.clear()
    job_id = convex.run(schedule_holding)
    running = threading.Thread(target=convex.run_due)
    running.start()
    assert started.wait(2)
    canceling = threading.Thread(target=lambda: convex.run(cancel, job_id=job_id))
    canceling.start()
    assert state(convex, job_id) == "pending"
    go_on.set()
    running.join()
    canceling.join()
    assert (state(convex, job_id), texts(convex)) == ("success", ["ran"])


def test_however_runs_and_cancels_race_exactly_one_wins(convex: ConvexTest) -> None:
    jobs = {text: convex.run(schedule_work, text=text) for text in map(str, range(30))}
    convex.clock.move_to(START + timedelta(seconds=1))

    def cancel_all() -> None:
        for job_id in jobs.values():
            convex.run(cancel, job_id=job_id)

    canceling = threading.Thread(target=cancel_all)
    canceling.start()
    convex.run_due()
    canceling.join()
    convex.run_due()
    states = {text: state(convex, job_id) for text, job_id in jobs.items()}
    assert set(states.values()) <= {"success", "canceled"}
    assert sorted(texts(convex)) == sorted(text for text, kind in states.items() if kind == "success")
