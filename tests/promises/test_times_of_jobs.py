"""When a job runs, and in which order: after a delay, at a time, as soon as possible, and after a restart.

==== ======================================================================================
S1   test_a_function_scheduled_after_a_delay_runs_then_and_not_before
S2   test_a_function_scheduled_now_is_due_right_after_the_commit
S3   test_a_function_scheduled_at_a_time_runs_then, test_a_past_time_is_kept_and_due_at_once
S16  test_jobs_run_in_the_order_in_which_they_are_due, test_a_past_time_does_not_jump_the_queue
S17  test_a_function_may_schedule_itself_again_and_again
S18  test_jobs_survive_a_restart_and_overdue_ones_run
==== ======================================================================================
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from app.models import Note
from sqlalchemy import select
from support.apps import START, app_of

from convexpy import ActionCtx, JobId, MutationCtx, action, internal_mutation, mutation
from convexpy.testing import ConvexTest

promise = pytest.mark.promise
ran: list[tuple[str, datetime]] = []


@pytest.fixture(autouse=True)
def nothing_ran_yet() -> None:
    ran.clear()


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
def test_a_function_scheduled_now_is_due_right_after_the_commit(convex: ConvexTest) -> None:
    job_id = convex.run(schedule_now)
    job = convex.job(job_id)
    assert job is not None
    assert (job.scheduled_time, job.state.kind) == (START, "pending")
    assert ran == []
    convex.run_due()
    assert ran == [("work", START)]


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
