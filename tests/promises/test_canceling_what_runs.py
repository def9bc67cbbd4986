"""Canceling what runs: an action runs on for nothing, a mutation commits or not, and none cancels its own job.

Shown here, from the paragraph on canceling (the checklist has no numbers for it):

* running action: canceled at once, runs on, its result and its later schedules do not count.
* a mutation's own job: an error.
* racing with a run, exactly one wins.
"""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from app.models import Note
from sqlalchemy import select
from support.apps import START
from support.waiting import PATIENCE_SECONDS

from convexpy import ActionCtx, InvalidSchedule, JobId, MutationCtx, SyncActionCtx, action, internal_mutation, mutation
from convexpy.testing import ConvexTest

seen: list[Any] = []
outside: list[ConvexTest] = []


@pytest.fixture(autouse=True)
def from_outside(convex: ConvexTest) -> None:
    seen.clear()
    outside[:] = [convex]


@internal_mutation
def work(ctx: MutationCtx, text: str = "work") -> None:
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
def cancel(ctx: MutationCtx, job_id: Any) -> None:
    ctx.schedule.cancel(job_id)


def texts(convex: ConvexTest) -> list[str]:
    with convex.db() as db:
        return list(db.scalars(select(Note.text).order_by(Note.id)))


def state(convex: ConvexTest, job_id: JobId) -> str:
    job = convex.job(job_id)
    assert job is not None
    return job.state.kind


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


def test_what_is_scheduled_after_canceling_the_own_action_is_canceled(
    convex: ConvexTest,
) -> None:
    job_id = convex.run(schedule_that)
    convex.run_due()
    before, after = seen[0]
    assert [state(convex, each) for each in (job_id, before, after)] == ["canceled", "success", "canceled"]


# ---------------------------------------------------------------------------------------------- races


@internal_mutation
def hold_the_transaction(ctx: MutationCtx) -> None:
    ctx.db.add(Note(text="ran"))
    ctx.db.flush()
    started.set()
    assert go_on.wait(PATIENCE_SECONDS)


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
    assert started.wait(PATIENCE_SECONDS)
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
