"""For how long a job is remembered: seven days from its end, and for ever before it."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, select, text
from support.apps import START, app_of

from convexpy import ConvexError, JobId, MutationCtx, Settings, internal_mutation, mutation
from convexpy.testing import ConvexTest


@internal_mutation
def work(ctx: MutationCtx, fail: bool = False) -> None:
    if fail:
        raise ConvexError("CONFLICT", "it failed on purpose")


@mutation
def schedule(ctx: MutationCtx, seconds: float = 0, fail: bool = False) -> JobId:
    return ctx.schedule.after(timedelta(seconds=seconds), work, fail=fail)


@mutation
def cancel(ctx: MutationCtx, job_id: JobId) -> None:
    ctx.schedule.cancel(job_id)


def test_finished_jobs_are_kept_for_seven_days_and_pending_ones_for_ever(convex: ConvexTest) -> None:
    done = convex.run(schedule)
    failed = convex.run(schedule, fail=True)
    canceled = convex.run(schedule, seconds=60)
    pending = convex.run(schedule, seconds=5 * 365 * 86_400)
    convex.run_due()
    convex.run(cancel, job_id=canceled)
    convex.advance(days=6, hours=23, minutes=59)
    assert {job.id for job in convex.jobs()} == {done, failed, canceled, pending}
    convex.advance(minutes=2)
    assert {job.id for job in convex.jobs()} == {pending}
    convex.advance(days=1000)
    assert {job.id for job in convex.jobs()} == {pending}


def test_the_seven_days_count_from_the_end_of_a_job(convex: ConvexTest) -> None:
    job_id = convex.run(schedule, seconds=86_400)
    convex.advance(days=7, hours=12)
    assert convex.job(job_id) is not None
    convex.advance(hours=13)
    assert convex.job(job_id) is None


def test_how_long_they_are_kept_is_a_setting(database: str) -> None:
    hour = Settings(retention=timedelta(hours=1))
    with ConvexTest(app_of(schedule, work), database_url=database, now=START, settings=hour) as convex:
        convex.run(schedule)
        convex.advance(minutes=59)
        assert len(convex.jobs()) == 1
        convex.advance(minutes=2)
        assert convex.jobs() == []


def test_many_old_jobs_are_purged_in_batches(convex: ConvexTest) -> None:
    for _ in range(2):
        convex.run(schedule_many, count=550)
    for _ in range(10):
        convex.run(cancel_many, count=110)
    convex.advance(days=8)
    with convex.db() as db:
        for table in ("_scheduled_functions", "_convexpy_queue", "_convexpy_finished"):
            assert db.scalar(select(func.count()).select_from(text(table))) == 0


@mutation
def schedule_many(ctx: MutationCtx, count: int) -> None:
    for _ in range(count):
        ctx.schedule.after(timedelta(days=1), work)


@mutation
def cancel_many(ctx: MutationCtx, count: int) -> None:
    for job in ctx.system.scheduled_functions(state="pending", limit=count):
        ctx.schedule.cancel(job.id)
