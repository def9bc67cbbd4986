"""What a mutation schedules exists if and only if it commits; when it runs, and in which order.

==== ======================================================================================
S1   test_a_function_scheduled_after_a_delay_runs_then_and_not_before
S2   test_a_function_scheduled_now_is_due_as_soon_as_the_mutation_has_committed, test_nobody_sees_a_job_before
S3   test_a_function_scheduled_at_a_time_runs_then, test_a_past_time_is_kept_and_due_at_once
S7   test_a_mutation_that_fails_schedules_nothing
S8   test_a_mutation_that_is_run_again_schedules_once, test_a_scheduled_mutation_that_is_run_again_schedules_once
S9   test_a_nested_mutation_that_raises_drops_its_schedules_and_cancels_and_only_those
S10  test_a_mutation_reads_what_it_scheduled_and_canceled_itself
S11  test_what_an_action_scheduled_stays_when_it_fails
S16  test_jobs_run_in_the_order_in_which_they_are_due, test_a_past_time_does_not_jump_the_queue
S17  test_a_function_may_schedule_itself_again_and_again
S18  test_jobs_survive_a_restart_and_overdue_ones_run
==== ======================================================================================
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from app.models import Base, Note
from sqlalchemy import func, select
from stage import START, Unlucky, a_conflict, a_disk_error, app_of

from convexpy import (
    ActionCtx,
    FunctionTimeout,
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
outside: list[ConvexTest] = []
seen_outside: list[int | None] = []
unlucky = Unlucky()


@pytest.fixture(autouse=True)
def from_outside(convex: ConvexTest) -> None:
    ran.clear()
    ids.clear()
    unlucky.reset()
    outside[:] = [convex]


@internal_mutation
def work(ctx: MutationCtx, name: str = "work") -> None:
    ran.append((name, ctx.now))


@action
async def act(ctx: ActionCtx, name: str = "act") -> None:
    ran.append((name, ctx.now))


@mutation
def schedule_after(ctx: MutationCtx, delay: Any) -> JobId:
    return ctx.schedule.after(delay, work)


@mutation
def schedule_at(ctx: MutationCtx, when: Any, name: str = "work") -> JobId:
    return ctx.schedule.at(when, work, name=name)


@mutation
def schedule_now(ctx: MutationCtx, name: str = "work") -> JobId:
    return ctx.schedule.now(work, name=name)


# ---------------------------------------------------------------------------------------------- when


@promise("S1")
@pytest.mark.parametrize("delay", [5000, 5000.0, timedelta(seconds=5)], ids=repr)
def test_a_function_scheduled_after_a_delay_runs_then_and_not_before(database: str, delay: Any) -> None:
    @mutation
    def start(ctx: MutationCtx) -> JobId:
        return ctx.schedule.after(delay, work)

    with ConvexTest(app_of(work, start), database_url=database, now=START) as convex:
        job_id = convex.run(start)
        assert isinstance(job_id, str)
        assert convex.job(job_id).scheduled_time == START + timedelta(seconds=5)  # type: ignore[union-attr]
        convex.advance(timedelta(seconds=5) - timedelta(microseconds=1))
        assert ran == []
        convex.advance(timedelta(microseconds=1))
        assert ran == [("work", START + timedelta(seconds=5))]


@promise("S1")
def test_the_delay_counts_from_the_beginning_of_the_call(convex: ConvexTest) -> None:
    convex.advance(minutes=1)
    job_id = convex.call(f"{__name__}:schedule_after", {"delay": 1500})
    assert convex.job(job_id).scheduled_time == START + timedelta(seconds=61.5)  # type: ignore[union-attr]


@promise("S2")
def test_a_function_scheduled_now_is_due_as_soon_as_the_mutation_has_committed(convex: ConvexTest) -> None:
    job_id = convex.run(schedule_now)
    job = convex.job(job_id)
    assert job is not None
    assert (job.scheduled_time, job.state.kind) == (START, "pending")
    assert ran == []
    convex.run_due()
    assert ran == [("work", START)]


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
def test_nobody_sees_a_job_before_the_commit_of_the_mutation_that_scheduled_it(convex: ConvexTest) -> None:
    job_id = convex.run(look_from_outside)
    assert seen_outside == [0, 0]
    assert convex.job(job_id) is not None


@promise("S3")
@pytest.mark.parametrize(
    "when",
    [
        START + timedelta(minutes=1),
        (START + timedelta(minutes=1)).astimezone(timezone(timedelta(hours=-7))),
        round((START + timedelta(minutes=1)).timestamp() * 1000),
        (START + timedelta(minutes=1)).timestamp() * 1000,
    ],
    ids=["datetime", "other time zone", "milliseconds", "float milliseconds"],
)
def test_a_function_scheduled_at_a_time_runs_then(convex: ConvexTest, when: Any) -> None:
    job_id = convex.run(schedule_at, when=when)
    convex.advance(seconds=59.999)
    assert ran == []
    convex.advance(seconds=0.001)
    assert ran == [("work", START + timedelta(minutes=1))]
    job = convex.job(job_id)
    assert job is not None
    assert job.scheduled_time == START + timedelta(minutes=1)
    assert job.scheduled_time.utcoffset() == timedelta(0)


@promise("S3")
@pytest.mark.parametrize("past", [timedelta(microseconds=1), timedelta(days=1830)], ids=["just", "five years"])
def test_a_past_time_is_kept_and_due_at_once(convex: ConvexTest, past: timedelta) -> None:
    job_id = convex.run(schedule_at, when=START - past)
    convex.run_due()
    assert ran == [("work", START)]
    job = convex.job(job_id)
    assert job is not None
    assert (job.scheduled_time, job.completed_time) == (START - past, START)


@promise("S3", "S16")
def test_a_past_time_does_not_jump_the_queue(convex: ConvexTest) -> None:
    convex.run(schedule_now, name="first")
    convex.run(schedule_at, when=START - timedelta(days=1), name="second")
    convex.run_due()
    assert [name for name, _ in ran] == ["first", "second"]


@mutation
def schedule_shuffled(ctx: MutationCtx) -> None:
    for minutes in (3, 1, 4, 2):
        ctx.schedule.after(timedelta(minutes=minutes), work, name=f"work {minutes}")
        ctx.schedule.after(timedelta(minutes=minutes, seconds=30), act, name=f"act {minutes}")


@promise("S16")
def test_jobs_run_in_the_order_in_which_they_are_due(convex: ConvexTest) -> None:
    convex.run(schedule_shuffled)
    convex.advance(hours=1)
    expected = [
        (f"{name} {minutes}", START + timedelta(minutes=minutes, seconds=seconds))
        for minutes in (1, 2, 3, 4)
        for name, seconds in (("work", 0), ("act", 30))
    ]
    assert ran == expected


@mutation
def count_down(ctx: MutationCtx, n: int) -> None:
    ctx.db.add(Note(text=str(n)))
    if n > 0:
        ctx.schedule.after(timedelta(minutes=1), count_down, n=n - 1)


@promise("S17")
def test_a_function_may_schedule_itself_again_and_again(convex: ConvexTest) -> None:
    convex.run(count_down, n=3)
    convex.advance(minutes=2)
    assert [job.args for job in convex.jobs(state="pending")] == [{"n": 0}]
    convex.finish_all_scheduled()
    assert convex.now == START + timedelta(minutes=3)
    with convex.db() as db:
        assert db.scalars(select(Note.text).order_by(Note.id)).all() == ["3", "2", "1", "0"]


@promise("S18")
def test_jobs_survive_a_restart_and_overdue_ones_run(database: str) -> None:
    app = app_of(work, schedule_after)
    with ConvexTest(app, database_url=database, now=START) as before:
        overdue = before.run(schedule_after, delay=1000)
        future = before.run(schedule_after, delay=7_200_000)
    with ConvexTest(app, database_url=database, now=START + timedelta(hours=1)) as after:
        assert [job.id for job in after.jobs(state="pending")] == [overdue, future]
        after.run_due()
        assert ran == [("work", START + timedelta(hours=1))]
        assert after.job(overdue).scheduled_time == START + timedelta(seconds=1)  # type: ignore[union-attr]
        after.advance(hours=1)
        assert len(ran) == 2


# ---------------------------------------------------------------------------------------------- if and only if


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
    limit = Settings(mutation_time_limit=timedelta(seconds=0.3))
    with ConvexTest(app, metadata=Base.metadata, database_url=database, now=START, settings=limit) as convex:
        with pytest.raises(FunctionTimeout):
            convex.run(schedule_and_fail, how="hang")
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
    unlucky.strike()


@mutation
def schedule_the_trouble(ctx: MutationCtx) -> JobId:
    return ctx.schedule.now(schedule_under_trouble)


@promise("S8")
def test_a_mutation_that_is_run_again_schedules_once(convex: ConvexTest) -> None:
    unlucky.reset(a_conflict(), a_conflict(), a_conflict())
    convex.run(schedule_under_trouble)
    assert_scheduled_once(convex)


@promise("S8")
def test_a_scheduled_mutation_that_is_run_again_schedules_once(convex: ConvexTest) -> None:
    unlucky.reset(a_disk_error(), a_disk_error(), a_disk_error())  # after a conflict it would run again much sooner
    job_id = convex.run(schedule_the_trouble)
    for tries, seconds in ((1, 0), (2, 0.1)):
        convex.advance(seconds=seconds)
        assert unlucky.strikes == tries
        assert [job.id for job in convex.jobs()] == [job_id]
    convex.advance(seconds=0.65)
    assert convex.job(job_id).state.kind == "success"  # type: ignore[union-attr]
    assert_scheduled_once(convex)


def assert_scheduled_once(convex: ConvexTest) -> None:
    assert len(set(ids)) == 4
    assert [convex.job(job_id) for job_id in ids[:-1]] == [None] * 3
    convex.run_due()
    assert unlucky.strikes == 4
    assert [name for name, _ in ran] == ["once"]
    assert [job.id for job in convex.jobs() if job.name.endswith(":work")] == ids[-1:]


@mutation
def schedule_cancel_and_raise(ctx: MutationCtx, victim: JobId, own_parents: JobId) -> None:
    ids.append(ctx.schedule.now(work, name="of the child"))
    ctx.schedule.cancel(victim)
    ctx.schedule.cancel(own_parents)
    assert ctx.system.get(victim).state.kind == "canceled"  # type: ignore[union-attr]
    raise ValueError("inner")


@mutation
def catch_the_child(ctx: MutationCtx, victim: JobId, canceled: JobId) -> list[JobId]:
    before = ctx.schedule.now(work, name="before")
    ctx.schedule.cancel(canceled)
    try:
        ctx.run_mutation(schedule_cancel_and_raise, victim=victim, own_parents=before)
    except ValueError:
        after = ctx.schedule.now(work, name="after")
    assert [job.state.kind for job in ctx.system.scheduled_functions()] == ["pending"] * 3 + ["canceled"]
    return [before, after]


@promise("S9")
def test_a_nested_mutation_that_raises_drops_its_schedules_and_cancels_and_only_those(convex: ConvexTest) -> None:
    victim = convex.run(schedule_now, name="victim")
    canceled = convex.run(schedule_now, name="canceled")
    kept = convex.run(catch_the_child, victim=victim, canceled=canceled)
    assert convex.job(ids[0]) is None
    assert {job.id for job in convex.jobs(state="pending")} == {victim, *kept}
    assert [job.id for job in convex.jobs(state="canceled")] == [canceled]
    convex.run_due()
    assert sorted(name for name, _ in ran) == ["after", "before", "victim"]


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
