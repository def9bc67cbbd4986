"""What a job looks like to functions and as JSON.

Shown here, from the paragraph on status rows (the checklist has no numbers for it): the fields, the five states and who
sees them, lists, the JSON document of the seed. Joins, read-only for user code and the seven days have files of their
own.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from app.models import User
from app.status import PendingJob, get_job_status, list_pending_jobs
from app.subscriptions import create_subscription
from pydantic import BaseModel, TypeAdapter
from support.apps import START, app_of

from convexpy import (
    ActionCtx,
    ConvexError,
    Crons,
    InvalidArguments,
    JobId,
    MutationCtx,
    QueryCtx,
    ScheduledFunction,
    action,
    internal_mutation,
    mutation,
    query,
)
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

    assert ids() == [soon, late, failed, first]
    assert ids(state="pending") == [soon, late]
    assert ids(state="success") == [first]
    assert ids(state="failed") == [failed]
    assert ids(state="canceled") == ids(state="inProgress") == []
    assert ids(name=f"{__name__}:act") == [soon]
    assert ids(name=f"{__name__}:work", state="pending") == [late]
    assert ids(name="nobody") == []
    assert ids(limit=2) == [soon, late]
    assert ids(state="pending", limit=1) == [soon]


@mutation
def schedule_many(ctx: MutationCtx, count: int) -> None:
    for _ in range(count):
        ctx.schedule.after(timedelta(days=1), work)


def test_a_list_is_bounded(convex: ConvexTest) -> None:
    convex.run(schedule_many, count=105)
    assert len(convex.run(listed, wanted={})) == 100
    assert len(convex.run(listed, wanted={"limit": 105})) == 105


@pytest.mark.parametrize("wanted", [{"state": "running"}, {"limit": 0}, {"limit": -1}, {"limit": 10_001}])
def test_a_list_of_something_else_is_an_error(convex: ConvexTest, wanted: dict[str, Any]) -> None:
    with pytest.raises(InvalidArguments):
        convex.run(listed, wanted=wanted)


def test_the_cron_of_a_job_is_its_name() -> None:
    crons = Crons()
    crons.interval("every minute", timedelta(minutes=1), work)
    with ConvexTest(app_of(work, listed, crons=crons), now=START) as convex:
        convex.advance(minutes=1)
        found = convex.run(listed, wanted={"cron": "every minute"})
        assert [(job.cron, job.state.kind) for job in found] == [("every minute", "success")] * 2
        assert convex.run(listed, wanted={"cron": "another"}) == []


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
