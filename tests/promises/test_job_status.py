"""What a job looks like: to functions, in joins, as JSON, and for how long.

Shown here, from the paragraph on status rows (the checklist has no numbers for it): the fields, the five states and who
sees them, lists, joins with the user's own tables, read-only for user code, seven days, the JSON document of the seed.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from app.models import Note, Subscription, User
from app.status import PendingJob, get_job_status, list_pending_jobs
from app.subscriptions import create_subscription
from pydantic import BaseModel, TypeAdapter
from sqlalchemy import Connection, delete, func, insert, select, text, update
from stage import START, app_of

from convexpy import (
    ActionCtx,
    ConvexError,
    Crons,
    InvalidArguments,
    JobId,
    MutationCtx,
    QueryCtx,
    ReadOnlyError,
    ScheduledFunction,
    Settings,
    action,
    internal_mutation,
    mutation,
    query,
)
from convexpy.database.purge import purge_jobs
from convexpy.dispatch import purge as purging
from convexpy.testing import ConvexTest

seen: list[Any] = []


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    seen.clear()


@internal_mutation
def work(ctx: MutationCtx, fail: bool = False) -> None:
    if ctx.job is not None:
        me = ctx.system.get(ctx.job.id)
        assert me is not None
        seen.append((me.state.kind, [job.id for job in ctx.system.scheduled_functions(state="inProgress")]))
    if fail:
        raise ConvexError("CONFLICT", "it failed on purpose")


@action
async def act(ctx: ActionCtx) -> None:
    assert ctx.job is not None
    me = await ctx.system.get(ctx.job.id)
    assert me is not None
    seen.append((me.state.kind, me.completed_time))
    seen.append([job.id for job in await ctx.system.scheduled_functions(state="inProgress")])


@mutation
def schedule(ctx: MutationCtx, seconds: float = 0, fail: bool = False, outside: bool = False) -> JobId:
    delay = timedelta(seconds=seconds)
    return ctx.schedule.after(delay, act) if outside else ctx.schedule.after(delay, work, fail=fail)


@mutation
def cancel(ctx: MutationCtx, job_id: JobId) -> None:
    ctx.schedule.cancel(job_id)


@query
def get(ctx: QueryCtx, job_id: str) -> ScheduledFunction | None:
    return ctx.system.get(job_id)


@query
def listed(ctx: QueryCtx, wanted: dict[str, Any]) -> list[ScheduledFunction]:
    return ctx.system.scheduled_functions(**wanted)


# ---------------------------------------------------------------------------------------------- one job


def test_a_pending_job_has_a_name_args_and_a_time_and_no_end(convex: ConvexTest) -> None:
    job_id = convex.run(schedule, seconds=5, fail=True)
    job = convex.run(get, job_id=job_id)
    assert isinstance(job, ScheduledFunction)
    assert (job.id, job.name, job.args) == (job_id, f"{__name__}:work", {"fail": True})
    assert (job.scheduled_time, job.completed_time, job.cron) == (START + timedelta(seconds=5), None, None)
    assert (job.state.kind, job.state.error) == ("pending", None)


def test_a_finished_job_says_how_and_when_it_ended(convex: ConvexTest) -> None:
    done = convex.run(schedule, seconds=1)
    failed = convex.run(schedule, seconds=2, fail=True)
    canceled = convex.run(schedule, seconds=3)
    convex.advance(seconds=2)
    convex.run(cancel, job_id=canceled)
    found = [convex.run(get, job_id=job_id) for job_id in (done, failed, canceled)]
    assert [job and job.state.kind for job in found] == ["success", "failed", "canceled"]
    assert [job and job.completed_time for job in found] == [START + timedelta(seconds=n) for n in (1, 2, 2)]
    errors = [job and job.state.error for job in found]
    assert errors[0] is None
    assert errors[2] is None
    assert "it failed on purpose" in str(errors[1])


@pytest.mark.parametrize("unknown", ["0" * 32, "garbage", "", "x" * 10_000])
def test_an_unknown_job_is_none(convex: ConvexTest, unknown: str) -> None:
    assert convex.run(get, job_id=unknown) is None
    assert convex.job(JobId("0" * 32)) is None


def test_a_running_action_is_in_progress(convex: ConvexTest) -> None:
    job_id = convex.run(schedule, outside=True)
    convex.run_due()
    assert seen == [("inProgress", None), [job_id]]
    assert convex.job(job_id).state.kind == "success"  # type: ignore[union-attr]


def test_nobody_ever_sees_a_mutation_in_progress_not_even_itself(convex: ConvexTest) -> None:
    convex.run(schedule)
    convex.run_due()
    assert seen == [("pending", [])]


def test_a_job_that_a_query_returned_is_not_changed_by_changing_the_object(convex: ConvexTest) -> None:
    job_id = convex.run(schedule)
    job = convex.run(get, job_id=job_id)
    assert job is not None
    job.name = "other"
    assert convex.run(get, job_id=job_id).name == f"{__name__}:work"  # type: ignore[union-attr]


# ---------------------------------------------------------------------------------------------- lists


def test_jobs_are_listed_by_state_and_by_name(convex: ConvexTest) -> None:
    first = convex.run(schedule, seconds=1)
    failed = convex.run(schedule, seconds=2, fail=True)
    late = convex.run(schedule, seconds=60)
    soon = convex.run(schedule, seconds=30, outside=True)
    convex.advance(seconds=2)

    def ids(**wanted: Any) -> list[JobId]:
        return [job.id for job in convex.run(listed, wanted=wanted)]

    assert ids() == [soon, late, first, failed]
    assert ids(state="pending") == [soon, late]
    assert ids(state="success") == [first]
    assert ids(state="failed") == [failed]
    assert ids(state="canceled") == ids(state="inProgress") == []
    assert ids(name=f"{__name__}:act") == [soon]
    assert ids(name=f"{__name__}:work", state="pending") == [late]
    assert ids(name="nobody") == []
    assert ids(limit=2) == [soon, late]
    assert ids(state="pending", limit=1) == [soon]


def test_a_list_is_bounded(convex: ConvexTest) -> None:
    convex.run(schedule_many, count=105)
    assert len(convex.run(listed, wanted={})) == 100
    assert len(convex.run(listed, wanted={"limit": 105})) == 105


@pytest.mark.parametrize("wanted", [{"state": "running"}, {"limit": 0}, {"limit": -1}, {"limit": 10_001}])
def test_a_list_of_something_else_is_an_error(convex: ConvexTest, wanted: dict[str, Any]) -> None:
    with pytest.raises(InvalidArguments):
        convex.run(listed, wanted=wanted)


# ---------------------------------------------------------------------------------------------- the seed's endpoints


def test_the_status_of_a_job_as_json_is_the_document_of_the_seed(shop: ConvexTest) -> None:
    with shop.db() as db:
        db.add(User(id="u1"))
    shop.as_user("u1").run(create_subscription, plan="basic")
    (pending,) = shop.run(list_pending_jobs)
    due = START + timedelta(days=30)
    assert pending == PendingJob(id=pending.id, name="subscriptions:expire", scheduled_time=due)
    document = shop.call("status:get_job_status", {"job_id": pending.id})
    milliseconds = round(due.timestamp() * 1000)
    assert document == {
        "id": pending.id,
        "name": "subscriptions:expire",
        "args": {"user_id": "u1"},
        "scheduledTime": milliseconds,
        "state": {"kind": "pending"},
        "cron": None,
    }
    shop.finish_all_scheduled()
    done = shop.call("status:get_job_status", {"job_id": pending.id})
    assert done == {**document, "state": {"kind": "success"}, "completedTime": milliseconds}
    assert json.loads(json.dumps(done)) == done
    assert shop.call("status:list_pending_jobs") == []
    assert shop.run(get_job_status, job_id=JobId("0" * 32)) is None
    assert shop.call("status:get_job_status", {"job_id": "nothing"}) is None


def test_a_failed_job_as_json_carries_its_error(convex: ConvexTest) -> None:
    job_id = convex.run(schedule, fail=True)
    convex.run_due()
    document = convex.call(f"{__name__}:get", {"job_id": job_id})
    assert document["state"]["kind"] == "failed"
    assert "it failed on purpose" in document["state"]["error"]
    job = convex.job(job_id)
    assert job is not None
    assert job.to_json() == document


def test_a_job_has_a_json_schema(convex: ConvexTest) -> None:
    schema = TypeAdapter(ScheduledFunction).json_schema(mode="serialization")
    assert {"id", "name", "args", "scheduledTime", "completedTime", "state", "cron"} == set(schema["properties"])
    assert "completedTime" not in schema["required"]


# ---------------------------------------------------------------------------------------------- as a table


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
    convex.run(schedule, outside=True)
    assert convex.run(selected) == [sooner, later]


@query
def select_all(ctx: QueryCtx) -> list[ScheduledFunction]:
    return list(ctx.db.scalars(select(ScheduledFunction)))


def test_selected_jobs_are_returned_like_others(convex: ConvexTest) -> None:
    job_id = convex.run(schedule, seconds=2)
    (job,) = convex.run(select_all)
    assert (job.id, job.state.kind, job.args) == (job_id, "pending", {"fail": False})
    assert convex.call(f"{__name__}:select_all") == [convex.call(f"{__name__}:get", {"job_id": job_id})]


class StateView(BaseModel):
    """A state without its error."""

    kind: str


class StatusView(BaseModel):
    """What the seed's endpoint shows of a job."""

    name: str
    scheduled_time: datetime
    completed_time: datetime | None = None
    state: StateView


@query
def narrow(ctx: QueryCtx, job_id: JobId) -> StatusView | None:
    return ctx.system.get(job_id)  # type: ignore[return-value]


def test_a_narrower_result_hides_the_rest_of_a_job(convex: ConvexTest) -> None:
    job_id = convex.run(schedule, fail=True)
    convex.run_due()
    status = convex.run(narrow, job_id=job_id)
    expected = {"name": f"{__name__}:work", "scheduled_time": START, "completed_time": START}
    assert status is not None
    assert status.model_dump() == {**expected, "state": {"kind": "failed"}}
    assert convex.run(narrow, job_id=JobId("0" * 32)) is None


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
    assert seen
    with convex.db() as db:
        assert db.scalars(select(Note)).all() == []


# ---------------------------------------------------------------------------------------------- for how long


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


def test_a_job_that_is_overdue_for_longer_than_the_retention_is_not_purged(convex: ConvexTest) -> None:
    convex.run(schedule)
    convex.run_due()
    overdue = convex.run(schedule)
    convex.clock.move_to(START + timedelta(days=8))  # nothing was running
    convex.convex.service.purge.tick()
    assert [job.id for job in convex.jobs()] == [overdue]
    convex.run_due()
    assert convex.job(overdue).state.kind == "success"  # type: ignore[union-attr]


def test_the_seven_days_count_from_the_end_of_a_job(convex: ConvexTest) -> None:
    job_id = convex.run(schedule, seconds=86_400)
    convex.advance(days=7, hours=12)
    assert convex.job(job_id) is not None
    convex.advance(hours=13)
    assert convex.job(job_id) is None


def test_how_long_they_are_kept_is_a_setting(database: str) -> None:
    hour = Settings(retention=timedelta(hours=1))
    with ConvexTest(app_of(schedule, work, act), database_url=database, now=START, settings=hour) as convex:
        convex.run(schedule)
        convex.advance(minutes=59)
        assert len(convex.jobs()) == 1
        convex.advance(minutes=2)
        assert convex.jobs() == []


def test_many_old_jobs_are_purged_in_batches(convex: ConvexTest) -> None:
    for _ in range(2):
        convex.run(schedule_many, count=550)
    convex.run(cancel_many)
    convex.advance(days=8)
    with convex.db() as db:
        for table in ("_scheduled_functions", "_convexpy_queue", "_convexpy_finished"):
            assert db.scalar(select(func.count()).select_from(text(table))) == 0


@mutation
def schedule_many(ctx: MutationCtx, count: int) -> None:
    for _ in range(count):
        ctx.schedule.after(timedelta(days=1), work)


@mutation
def cancel_many(ctx: MutationCtx) -> None:
    for job in ctx.system.scheduled_functions(limit=10_000):
        ctx.schedule.cancel(job.id)


def test_the_cron_of_a_job_is_its_name() -> None:
    crons = Crons()
    crons.interval("every minute", timedelta(minutes=1), work)
    with ConvexTest(app_of(work, listed, crons=crons), now=START) as convex:
        convex.advance(minutes=1)
        found = convex.run(listed, wanted={"cron": "every minute"})
        assert [(job.cron, job.state.kind) for job in found] == [("every minute", "success")] * 2
        assert convex.run(listed, wanted={"cron": "another"}) == []


def test_much_to_purge_is_purged_a_batch_at_a_time_with_room_for_others_in_between(
    convex: ConvexTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convexpy.dispatch.purge.BATCH", 2)
    for _ in range(5):
        convex.run(schedule)
    convex.run_due()
    convex.clock.move_to(START + timedelta(days=8))
    purge = convex.convex.service.purge
    left, pauses = [], []
    for _ in range(4):
        began = time.monotonic()
        pauses.append(purge.tick() / (time.monotonic() - began))
        left.append(len(convex.jobs()))
    assert left == [3, 1, 0, 0]
    assert all(0.5 < pause <= 1 for pause in pauses[:2]), pauses


def test_a_worker_with_nothing_to_purge_looks_again_in_a_minute(convex: ConvexTest) -> None:
    assert convex.convex.service.purge.tick() == 60


def test_a_purge_that_failed_begins_anew(convex: ConvexTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convexpy.dispatch.purge.BATCH", 2)
    for _ in range(5):
        convex.run(schedule)
        convex.advance(seconds=1)
    convex.clock.move_to(START + timedelta(days=8))
    purge = convex.convex.service.purge

    def broken(connection: Connection, end: str, *given: Any) -> tuple[int, datetime]:
        if end == "failed":
            raise ConnectionError("the database went away in the middle of it")
        return purge_jobs(connection, end, *given)

    assert purge.batch()
    with monkeypatch.context() as patch:
        patch.setattr(purging, "purge_jobs", broken)
        with pytest.raises(ConnectionError):
            purge.batch()
    assert len(convex.jobs()) == 3
    while purge.batch():
        pass
    assert convex.jobs() == []
