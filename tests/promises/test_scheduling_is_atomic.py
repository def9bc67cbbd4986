"""What a mutation schedules exists if and only if it commits.

==== ======================================================================================
S2   test_a_job_is_not_visible_before_its_mutation_commits
S7   test_a_mutation_that_fails_schedules_nothing
S8   test_a_mutation_that_is_run_again_schedules_once, test_a_scheduled_mutation_that_is_run_again_schedules_once
S9   test_a_nested_mutation_that_raises_drops_only_its_own_schedules
S10  test_a_mutation_reads_what_it_scheduled_and_canceled_itself
S11  test_what_an_action_scheduled_stays_when_it_fails
==== ======================================================================================
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

import pytest
from app.models import Base, Note
from sqlalchemy import func, select
from support.apps import START, app_of
from support.faults import PlannedErrors, a_conflict, a_disk_error
from support.waiting import hang_within_a_limit

from convexpy import (
    ActionCtx,
    FunctionTimeout,
    InternalError,
    InvalidResult,
    JobId,
    MutationCtx,
    Settings,
    SyncActionCtx,
    action,
    internal_mutation,
    mutation,
)
from convexpy.testing import ConvexTest

promise = pytest.mark.promise
ran: list[tuple[str, datetime]] = []
ids: list[JobId] = []
hanging: list[str] = []
outside: list[ConvexTest] = []
seen_outside: list[int | None] = []
planned = PlannedErrors()


@pytest.fixture(autouse=True)
def from_outside(convex: ConvexTest) -> None:
    ran.clear()
    ids.clear()
    planned.reset()
    outside[:] = [convex]


@internal_mutation
def work(ctx: MutationCtx, name: str = "work") -> None:
    ran.append((name, ctx.now))


@action
async def act(ctx: ActionCtx, name: str = "act") -> None:
    ran.append((name, ctx.now))


@mutation
def schedule_now(ctx: MutationCtx, name: str = "work") -> JobId:
    return ctx.schedule.now(work, name=name)


@mutation
def look_from_outside(ctx: MutationCtx) -> JobId:
    ctx.db.add(Note(text="not yet"))
    job_id = ctx.schedule.now(work)
    ctx.db.flush()
    with outside[0].db() as db:
        seen_outside[:] = [len(outside[0].jobs()), db.scalar(select(func.count()).select_from(Note))]
    assert outside[0].job(job_id) is None
    return job_id


@promise("S2")
def test_a_job_is_not_visible_before_its_mutation_commits(convex: ConvexTest) -> None:
    job_id = convex.run(look_from_outside)
    assert seen_outside == [0, 0]
    assert convex.job(job_id) is not None


@mutation
def schedule_and_fail(ctx: MutationCtx, how: str) -> int:
    ids.extend([ctx.schedule.now(work), ctx.schedule.after(1000, act), ctx.schedule.at(ctx.now, work)])
    ctx.db.add(Note(text="never"))
    ctx.db.flush()
    if how == "exception":
        raise ValueError("no")
    if how == "database":
        ctx.db.add_all([Note(text="never")])
    if how == "hang":
        hanging.append(how)
        while True:
            time.monotonic()
    return "not a number"  # type: ignore[return-value]


@promise("S7")
@pytest.mark.parametrize(
    ("how", "error"), [("exception", ValueError), ("database", Exception), ("result", InvalidResult)]
)
def test_a_mutation_that_fails_schedules_nothing(convex: ConvexTest, how: str, error: Any) -> None:
    with pytest.raises(error):
        convex.run(schedule_and_fail, how=how)
    assert_nothing_happened(convex)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@promise("S7")
def test_a_mutation_that_runs_past_its_time_limit_schedules_nothing(database: str) -> None:
    app = app_of(schedule_and_fail, work, act)

    def hangs(seconds: float) -> bool:
        ids.clear()
        hanging.clear()
        limit = Settings(mutation_time_limit=seconds, mutation_retries=0)
        with ConvexTest(app, metadata=Base.metadata, database_url=database, now=START, settings=limit) as convex:
            with pytest.raises((FunctionTimeout, InternalError)) as error:
                convex.run(schedule_and_fail, how="hang")
            return bool(hanging) and error.type is FunctionTimeout

    hang_within_a_limit(hangs)
    with ConvexTest(app, metadata=Base.metadata, database_url=database, now=START) as convex:
        assert_nothing_happened(convex)


def assert_nothing_happened(convex: ConvexTest) -> None:
    assert len(ids) == 3
    assert [convex.job(job_id) for job_id in ids] == [None] * 3
    assert convex.jobs() == []
    convex.advance(days=1)
    assert ran == []
    with convex.db() as db:
        assert db.scalars(select(Note)).all() == []


@mutation
def schedule_under_trouble(ctx: MutationCtx) -> None:
    ids.append(ctx.schedule.now(work, name="once"))
    ctx.db.add(Note(text="once"))
    ctx.db.flush()
    planned.raise_next()


@mutation
def schedule_the_trouble(ctx: MutationCtx) -> JobId:
    return ctx.schedule.now(schedule_under_trouble)


@promise("S8")
def test_a_mutation_that_is_run_again_schedules_once(convex: ConvexTest) -> None:
    planned.reset(a_conflict(), a_conflict(), a_conflict())
    convex.run(schedule_under_trouble)
    assert_scheduled_once(convex)


@promise("S8")
def test_a_scheduled_mutation_that_is_run_again_schedules_once(convex: ConvexTest) -> None:
    planned.reset(a_disk_error(), a_disk_error(), a_disk_error())  # after a conflict it would run again much sooner
    job_id = convex.run(schedule_the_trouble)
    for tries, seconds in ((1, 0), (2, 0.1)):
        convex.advance(seconds=seconds)
        assert planned.times == tries
        assert [job.id for job in convex.jobs()] == [job_id]
    convex.advance(seconds=0.65)
    assert convex.job(job_id).state.kind == "success"  # type: ignore[union-attr]
    assert_scheduled_once(convex)


def assert_scheduled_once(convex: ConvexTest) -> None:
    assert len(set(ids)) == 4
    assert [convex.job(job_id) for job_id in ids[:-1]] == [None] * 3
    convex.run_due()
    assert planned.times == 4
    assert [name for name, _ in ran] == ["once"]
    assert [job.id for job in convex.jobs() if job.name.endswith(":work")] == ids[-1:]


@mutation
def schedule_cancel_and_raise(ctx: MutationCtx, canceled_one: JobId, own_parents: JobId) -> None:
    ids.append(ctx.schedule.now(work, name="of the child"))
    ctx.schedule.cancel(canceled_one)
    ctx.schedule.cancel(own_parents)
    assert ctx.system.get(canceled_one).state.kind == "canceled"  # type: ignore[union-attr]
    raise ValueError("inner")


@mutation
def catch_the_child(ctx: MutationCtx, canceled_one: JobId, canceled: JobId) -> list[JobId]:
    before = ctx.schedule.now(work, name="before")
    ctx.schedule.cancel(canceled)
    try:
        ctx.run_mutation(schedule_cancel_and_raise, canceled_one=canceled_one, own_parents=before)
    except ValueError:
        after = ctx.schedule.now(work, name="after")
    assert [job.state.kind for job in ctx.system.scheduled_functions()] == ["pending"] * 3 + ["canceled"]
    return [before, after]


@promise("S9")
def test_a_nested_mutation_that_raises_drops_only_its_own_schedules(convex: ConvexTest) -> None:
    canceled_one = convex.run(schedule_now, name="canceled_one")
    canceled = convex.run(schedule_now, name="canceled")
    kept = convex.run(catch_the_child, canceled_one=canceled_one, canceled=canceled)
    assert convex.job(ids[0]) is None
    assert {job.id for job in convex.jobs(state="pending")} == {canceled_one, *kept}
    assert [job.id for job in convex.jobs(state="canceled")] == [canceled]
    convex.run_due()
    assert sorted(name for name, _ in ran) == ["after", "before", "canceled_one"]


@mutation
def call_a_child_that_schedules(ctx: MutationCtx, fail: bool) -> None:
    ctx.run_mutation(schedule_now, name="of the child")
    if fail:
        raise ValueError("outer")


@promise("S9")
def test_what_a_nested_mutation_scheduled_shares_the_fate_of_its_parent(convex: ConvexTest) -> None:
    with pytest.raises(ValueError, match="outer"):
        convex.run(call_a_child_that_schedules, fail=True)
    assert convex.jobs() == []
    convex.run(call_a_child_that_schedules, fail=False)
    assert [job.args["name"] for job in convex.jobs()] == ["of the child"]


@mutation
def read_own_schedules(ctx: MutationCtx, stored: JobId) -> tuple[JobId, JobId]:
    kept = ctx.schedule.after(timedelta(minutes=2), work, name="kept")
    gone = ctx.schedule.now(work, name="gone")
    for job_id in (kept, gone, stored):
        job = ctx.system.get(job_id)
        assert job is not None
        assert (job.id, job.state.kind, job.completed_time) == (job_id, "pending", None)
    assert {job.id for job in ctx.system.scheduled_functions(state="pending")} == {kept, gone, stored}
    ctx.schedule.cancel(gone)
    ctx.schedule.cancel(stored)
    for job_id in (gone, stored):
        job = ctx.system.get(job_id)
        assert job is not None
        assert (job.state.kind, job.completed_time) == ("canceled", ctx.now)
    assert [job.id for job in ctx.system.scheduled_functions(state="pending")] == [kept]
    assert {job.id for job in ctx.system.scheduled_functions(state="canceled")} == {gone, stored}
    assert [job.id for job in ctx.system.scheduled_functions(name=f"{__name__}:act")] == []
    seen = ctx.system.get(kept)
    assert seen is not None
    assert (seen.name, seen.args, seen.cron) == (f"{__name__}:work", {"name": "kept"}, None)
    assert seen.scheduled_time == ctx.now + timedelta(minutes=2)
    return kept, gone


@promise("S10")
def test_a_mutation_reads_what_it_scheduled_and_canceled_itself(convex: ConvexTest) -> None:
    stored = convex.run(schedule_now)
    kept, gone = convex.run(read_own_schedules, stored=stored)
    assert [job.id for job in convex.jobs(state="pending")] == [kept]
    assert {job.id for job in convex.jobs(state="canceled")} == {gone, stored}
    convex.finish_all_scheduled()
    assert [name for name, _ in ran] == ["kept"]


@action
async def schedule_then_fail(ctx: ActionCtx) -> None:
    ids.append(await ctx.schedule.now(work, name="one"))
    ids.append(await ctx.schedule.after(1000, work, name="two"))
    raise ValueError("too late")


@action
def schedule_then_fail_plainly(ctx: SyncActionCtx) -> None:
    ids.append(ctx.schedule.now(work, name="one"))
    ids.append(ctx.schedule.after(1000, work, name="two"))
    raise ValueError("too late")


@promise("S11")
@pytest.mark.parametrize("function", [schedule_then_fail, schedule_then_fail_plainly], ids=["async", "def"])
def test_what_an_action_scheduled_stays_when_it_fails(convex: ConvexTest, function: Any) -> None:
    with pytest.raises(ValueError, match="too late"):
        convex.run(function)
    assert [job.id for job in convex.jobs(state="pending")] == ids
    convex.advance(seconds=1)
    assert [name for name, _ in ran] == ["one", "two"]
