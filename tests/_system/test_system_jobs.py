"""``_system/jobs``: jobs are listed, shown, canceled and tried again."""

from __future__ import annotations

from typing import Any

import pytest

from convexpy import ConvexError, InvalidArguments, InvalidSchedule, JobId, MutationCtx, internal_mutation, mutation
from convexpy._system import jobs
from convexpy.testing import ConvexTest

UNKNOWN = "0" * 32
ran: list[str] = []


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    ran.clear()


@mutation
def plan(ctx: MutationCtx, label: str, seconds: float = 1.0) -> JobId:
    return ctx.schedule.after(seconds * 1000, work, label=label)


@internal_mutation
def work(ctx: MutationCtx, label: str) -> None:
    ran.append(label)
    if label == "bad":
        raise ValueError("it failed")


@mutation
def cancel_and_fail(ctx: MutationCtx, job_id: JobId) -> None:
    assert ctx.run_mutation(jobs.cancel, job_id=job_id) is not None
    raise ConvexError("CONFLICT", "after all not")


def name(function: str) -> str:
    return f"{__name__}:{function}"


def test_jobs_are_listed_by_state_name_and_limit(convex: ConvexTest) -> None:
    convex.run(plan, label="bad")
    convex.run(plan, label="later", seconds=60)
    convex.advance(seconds=2)
    assert [job.args for job in convex.run(jobs.list)] == [{"label": "later"}, {"label": "bad"}]
    assert [job.state.error for job in convex.run(jobs.list, state="pending")] == [None]
    assert len(convex.run(jobs.list, name=name("work"))) == 2
    assert convex.run(jobs.list, name=name("plan")) == []
    assert len(convex.run(jobs.list, limit=1)) == 1


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"limit": 10_001}, {"state": "done"}, {"nmae": "x"}])
def test_a_wrong_question_is_refused(wrong: dict[str, Any]) -> None:
    with ConvexTest(__import__(__name__)) as convex, pytest.raises(InvalidArguments):
        convex.call("_system/jobs:list", wrong)


def test_a_job_as_json_is_what_clients_get_with_its_attempts(convex: ConvexTest) -> None:
    job_id = convex.run(plan, label="bad")
    convex.advance(seconds=1)
    document = convex.call("_system/jobs:get", {"job_id": job_id})
    due = round(convex.now.timestamp() * 1000)
    assert document.pop("state")["kind"] == "failed"
    assert document == {
        "id": job_id,
        "name": name("work"),
        "args": {"label": "bad"},
        "scheduledTime": due,
        "completedTime": due,
        "cron": None,
        "kind": "mutation",
        "attempts": 1,
        "lastError": None,
    }
    assert jobs.get.result_schema["anyOf"][0]["required"][-3:] == ["kind", "attempts", "lastError"]
    assert [convex.call("_system/jobs:list")[0]["id"], convex.run(jobs.get, job_id=UNKNOWN)] == [job_id, None]


def test_a_canceled_job_never_runs_and_a_finished_one_stays(convex: ConvexTest) -> None:
    job_id = convex.run(plan, label="canceled")
    canceled = convex.run(jobs.cancel, job_id=job_id)
    assert canceled is not None
    assert (canceled.state.kind, canceled.completed_time) == ("canceled", convex.now)
    finished = convex.run(plan, label="finished")
    convex.advance(minutes=1)
    assert ran == ["finished"]
    assert convex.call("_system/jobs:cancel", {"job_id": finished})["state"] == {"kind": "success"}
    assert convex.run(jobs.cancel, job_id=UNKNOWN) is None


def test_a_cancel_is_part_of_the_mutation_that_calls_it(convex: ConvexTest) -> None:
    job_id = convex.run(plan, label="kept")
    with pytest.raises(ConvexError, match="after all not"):
        convex.run(cancel_and_fail, job_id=job_id)
    convex.advance(seconds=1)
    assert ran == ["kept"]


def test_a_finished_job_is_tried_again_as_a_new_one(convex: ConvexTest) -> None:
    job_id = convex.run(plan, label="bad")
    with pytest.raises(ConvexError, match="only a finished job can be retried") as pending:
        convex.run(jobs.retry, job_id=job_id)
    convex.advance(seconds=1)
    new_id = convex.run(jobs.retry, job_id=job_id)
    convex.run_due()
    assert (pending.value.code, ran) == ("CONFLICT", ["bad", "bad"])
    again = convex.run(jobs.get, job_id=new_id)
    assert again is not None
    assert (again.args, again.scheduled_time, again.parent) == ({"label": "bad"}, convex.now, None)


@pytest.mark.parametrize("function", ["get", "cancel", "retry"])
def test_what_is_no_job_id_is_refused(convex: ConvexTest, function: str) -> None:
    with pytest.raises(InvalidSchedule, match="is not a job id"):
        convex.call(f"_system/jobs:{function}", {"job_id": "x"})


def test_a_job_that_never_existed_cannot_be_tried_again(convex: ConvexTest) -> None:
    with pytest.raises(ConvexError, match="there is no job") as unknown:
        convex.run(jobs.retry, job_id=UNKNOWN)
    assert unknown.value.code == "NOT_FOUND"
