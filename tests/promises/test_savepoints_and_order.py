"""What a savepoint undoes, the order of jobs due together, functions that two apps share, handlers that hang."""

from __future__ import annotations

from datetime import timedelta

import pytest
from support.apps import app_of

from convexpy import ActionCtx, FunctionTimeout, MutationCtx, Settings, action, mutation
from convexpy.testing import ConvexTest

ran: list[str] = []


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    ran.clear()


@mutation
def work(ctx: MutationCtx) -> None:
    ran.append("work")


@action
async def act(ctx: ActionCtx) -> None:
    ran.append("act")


@mutation
def work_then_act(ctx: MutationCtx) -> None:
    ctx.schedule.now(work)
    ctx.schedule.now(act)


@mutation
def act_then_work(ctx: MutationCtx) -> None:
    ctx.schedule.now(act)
    ctx.schedule.now(work)


@mutation
def schedule_in_savepoints(ctx: MutationCtx, stored: str) -> None:
    ctx.schedule.after(1000, work)
    with ctx.db.begin_nested():
        ctx.schedule.after(2000, work)
    try:
        with ctx.db.begin_nested():
            ctx.schedule.now(act)
            ctx.schedule.cancel(stored)  # type: ignore[arg-type]
            with ctx.db.begin_nested():
                ctx.schedule.now(act)
            raise KeyError
    except KeyError:
        pass


@mutation
def schedule_later(ctx: MutationCtx) -> str:
    return ctx.schedule.after(3000, work)


@mutation
def swallow_everything(ctx: MutationCtx) -> None:
    while True:
        try:
            while True:
                pass
        except Exception:
            continue


def test_a_savepoint_rolled_back_drops_its_schedules_and_cancels() -> None:
    with ConvexTest(app_of(work, act, schedule_in_savepoints, schedule_later)) as convex:
        stored = convex.run(schedule_later)
        convex.run(schedule_in_savepoints, stored=stored)
        waits = [job.scheduled_time - convex.now for job in convex.jobs(state="pending")]
        assert waits == [timedelta(seconds=1), timedelta(seconds=2), timedelta(seconds=3)]
        assert len(convex.jobs()) == 3


@pytest.mark.parametrize("run_all", [ConvexTest.run_due, ConvexTest.finish_all_scheduled])
def test_what_is_due_at_the_same_time_runs_in_the_order_of_scheduling(run_all: object) -> None:
    assert callable(run_all)
    with ConvexTest(app_of(work, act, work_then_act, act_then_work)) as convex:
        convex.run(work_then_act)
        run_all(convex)
        convex.run(act_then_work)
        run_all(convex)
    assert ran == ["work", "act", "act", "work"]


def test_two_apps_of_one_process_may_share_a_function() -> None:
    one, other = app_of(work, act, work_then_act), app_of(work, act, work_then_act)
    other.__name__ = "other"
    with ConvexTest(one) as first, ConvexTest(other) as second:
        for convex in (first, second):
            convex.run(work_then_act)
            convex.run_due()
        assert {job.name for job in first.jobs(state="success")} == {"made:work", "made:act"}
        assert {job.name for job in second.jobs(state="success")} == {"other:work", "other:act"}


def test_a_handler_that_swallows_every_exception_is_interrupted() -> None:
    settings = Settings(mutation_time_limit=timedelta(seconds=0.1))
    with ConvexTest(app_of(swallow_everything), settings=settings) as convex, pytest.raises(FunctionTimeout):
        convex.run(swallow_everything)
