"""Jobs as a table: joined with the user's own tables, selected by their columns, and read-only for user code."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from app.models import Note, Subscription
from sqlalchemy import delete, insert, select, text, update
from support.apps import START

from convexpy import JobId, MutationCtx, QueryCtx, ReadOnlyError, ScheduledFunction, internal_mutation, mutation, query
from convexpy.testing import ConvexTest


@internal_mutation
def work(ctx: MutationCtx) -> None:
    """Nothing to do."""


@internal_mutation
def other_work(ctx: MutationCtx) -> None:
    """Nothing to do either."""


@mutation
def schedule(ctx: MutationCtx, seconds: float = 0, other: bool = False) -> JobId:
    return ctx.schedule.after(timedelta(seconds=seconds), other_work if other else work)


@query
def get(ctx: QueryCtx, job_id: str) -> ScheduledFunction | None:
    return ctx.system.get(job_id)


@query
def plans_and_states(ctx: QueryCtx) -> list[tuple[str, str, datetime]]:
    statement = select(Subscription.plan, ScheduledFunction).join(
        ScheduledFunction, ScheduledFunction.id == Subscription.expiration_job
    )
    return [(plan, job.state.kind, job.scheduled_time) for plan, job in ctx.db.execute(statement)]


@query
def selected(ctx: QueryCtx) -> list[str]:
    """By every field that a status has."""
    statement = (
        select(ScheduledFunction)
        .where(ScheduledFunction.state.kind == "pending")
        .where(ScheduledFunction.state.error.is_(None))
        .where(ScheduledFunction.scheduled_time > datetime(2030, 1, 1, tzinfo=UTC))
        .where(ScheduledFunction.completed_time.is_(None))
        .where(ScheduledFunction.name.like("%:work"))
        .where(ScheduledFunction.cron.is_(None))
        .order_by(ScheduledFunction.scheduled_time)
    )
    return [job.id for job in ctx.db.scalars(statement)]


@mutation
def subscribe(ctx: MutationCtx, plan: str) -> None:
    job_id = ctx.schedule.after(timedelta(days=30), work)
    ctx.db.add(Subscription(user_id="u1", plan=plan, expiration_job=job_id))


def test_jobs_are_joined_with_the_users_own_tables(convex: ConvexTest) -> None:
    convex.run(subscribe, plan="basic")
    assert convex.run(plans_and_states) == [("basic", "pending", START + timedelta(days=30))]
    convex.advance(days=30)
    assert convex.run(plans_and_states) == [("basic", "success", START + timedelta(days=30))]


def test_jobs_are_selected_by_their_columns(convex: ConvexTest) -> None:
    later, sooner = convex.run(schedule, seconds=2), convex.run(schedule, seconds=1)
    convex.run(schedule, other=True)
    assert convex.run(selected) == [sooner, later]


@query
def select_all(ctx: QueryCtx) -> list[ScheduledFunction]:
    return list(ctx.db.scalars(select(ScheduledFunction)))


def test_selected_jobs_are_returned_like_others(convex: ConvexTest) -> None:
    job_id = convex.run(schedule, seconds=2)
    (job,) = convex.run(select_all)
    assert (job.id, job.state.kind, job.args) == (job_id, "pending", {})
    assert convex.call(f"{__name__}:select_all") == [convex.call(f"{__name__}:get", {"job_id": job_id})]


CHANGES: dict[str, Any] = {
    "an attribute": lambda ctx, job: setattr(job, "name", "other"),
    "delete()": lambda ctx, job: ctx.db.delete(job),
    "add()": lambda ctx, job: ctx.db.add(
        ScheduledFunction(id="0" * 32, name="x", kind="mutation", args={}, scheduled_time=ctx.now)
    ),
    "an update": lambda ctx, job: ctx.db.execute(update(ScheduledFunction).values(name="other")),
    "a delete": lambda ctx, job: ctx.db.execute(delete(ScheduledFunction)),
    "an insert": lambda ctx, job: ctx.db.execute(insert(ScheduledFunction).values(id="0" * 32)),
    "a core update": lambda ctx, job: ctx.db.connection().execute(
        update(ScheduledFunction.__table__).values(name="other")
    ),
    "raw SQL": lambda ctx, job: ctx.db.execute(text("UPDATE _scheduled_functions SET name = 'other'")),
    "raw SQL on the queue": lambda ctx, job: ctx.db.execute(text('delete from "_convexpy_queue"')),
}


@mutation
def change(ctx: MutationCtx, how: str) -> None:
    ctx.db.add(Note(text="never"))
    CHANGES[how](ctx, ctx.db.scalars(select(ScheduledFunction)).one())
    ctx.db.flush()


@pytest.mark.parametrize("how", CHANGES)
def test_jobs_are_read_only_for_user_code(convex: ConvexTest, how: str) -> None:
    job_id = convex.run(schedule, seconds=1)
    with pytest.raises(ReadOnlyError, match="read-only for user code"):
        convex.run(change, how=how)
    job = convex.job(job_id)
    assert job is not None
    assert (job.name, job.state.kind) == (f"{__name__}:work", "pending")
    convex.advance(seconds=1)
    assert convex.job(job_id).state.kind == "success"  # type: ignore[union-attr]
    with convex.db() as db:
        assert db.scalars(select(Note)).all() == []
