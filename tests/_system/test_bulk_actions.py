"""``_system/jobs:bulk`` and single changes: run now, reschedule, schedule; with an undo, and in the audit log."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from convexpy import (
    ConvexError,
    InvalidArguments,
    InvalidSchedule,
    JobId,
    MutationCtx,
    internal_mutation,
    mutation,
    query,
)
from convexpy._system import audit as audit_log
from convexpy._system import jobs
from convexpy._system.job_lists import Filter
from convexpy.database.due_times import make_due
from convexpy.database.jobs import claim as claim_jobs
from convexpy.functions.declare import Kind
from convexpy.testing import ConvexTest

UNKNOWN = "0" * 32
DELAY = 10
ran: list[str] = []


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    ran.clear()


@mutation
def plan(ctx: MutationCtx, labels: list[str], seconds: float = 3600) -> list[JobId]:
    return [ctx.schedule.after(seconds * 1000, work, label=label) for label in labels]


@internal_mutation
def work(ctx: MutationCtx, label: str) -> None:
    ran.append(label)
    if label == "bad" and ran.count("bad") == 1:
        raise ValueError("it failed")


@query
def read(ctx: Any) -> int:
    return 1


def name(function: str) -> str:
    return f"{__name__}:{function}"


def states(convex: ConvexTest) -> list[str]:
    return [job.state_kind for job in convex.jobs(name=name("work"))]


def actions(convex: ConvexTest) -> list[tuple[str, str]]:
    return [(entry.action, entry.actor) for entry in convex.run(audit_log.list).entries]


def test_jobs_that_wait_run_now_or_at_another_time(convex: ConvexTest) -> None:
    first, second, third = convex.run(plan, labels=["first", "second", "third"])
    assert convex.run(jobs.run_now, job_ids=[first, UNKNOWN]) == [first]
    later = convex.now + timedelta(days=1)
    moved = convex.call("_system/jobs:reschedule", {"job_ids": [second, third], "time": later.timestamp() * 1000})
    assert sorted(moved) == sorted([second, third])
    convex.run_due()
    assert ran == ["first"]
    assert convex.run(jobs.run_now, job_ids=[first]) == []
    convex.advance(hours=2)
    assert ran == ["first"]
    job = convex.job(second)
    assert job is not None
    assert job.scheduled_time == later
    convex.advance(days=1)
    assert sorted(ran) == ["first", "second", "third"]
    assert actions(convex) == [("reschedule", "local"), ("run now", "local")]


def test_a_claimed_job_is_not_moved(convex: ConvexTest) -> None:
    (job_id,) = convex.run(plan, labels=["claimed"], seconds=0)
    (claim,) = convex.convex.worker.dispatcher.claim(Kind.MUTATION, 10)
    later = (convex.now + timedelta(days=1)).timestamp() * 1000
    assert convex.run(jobs.reschedule, job_ids=[job_id], time=later) == []
    convex.convex.worker.run(claim)
    assert ran == ["claimed"]


def test_a_claim_that_is_being_made_comes_first(convex: ConvexTest) -> None:
    (job_id,) = convex.run(plan, labels=["claimed"], seconds=0)
    later = (convex.now + timedelta(days=1)).timestamp() * 1000
    database, worker = convex.convex.database, convex.convex.worker.dispatcher._heartbeat.worker
    with ThreadPoolExecutor(1) as thread:
        with database.write_internal() as connection:
            (claim,) = claim_jobs(connection, "mutation", worker, convex.now, 10)
            moved = thread.submit(convex.convex.run, jobs.reschedule, job_ids=[job_id], time=later)
        assert moved.result() == []
    convex.convex.worker.run(claim)
    assert ran == ["claimed"]


def test_a_job_that_is_moved_is_not_claimed(convex: ConvexTest) -> None:
    (job_id,) = convex.run(plan, labels=["later"], seconds=0)
    later = convex.now + timedelta(days=1)
    database, worker = convex.convex.database, convex.convex.worker.dispatcher._heartbeat.worker
    with database.write_internal() as connection:
        assert make_due(connection, [job_id], later, convex.now) == [job_id]
        assert claim_jobs(connection, "mutation", worker, convex.now, 10) == []
    convex.advance(hours=1)
    assert ran == []


def test_a_bulk_cancel_happens_ten_seconds_later_and_not_if_undone(convex: ConvexTest) -> None:
    convex.run(plan, labels=["one", "two", "three"])
    wanted = Filter(functions=(name("work"),), states=("pending",))
    started = convex.run(jobs.bulk, action="cancel", filter=wanted)
    assert (started.count, started.more, started.time) == (3, False, convex.now + timedelta(seconds=DELAY))
    assert convex.run(jobs.undo, job_id=started.job_id)
    convex.advance(seconds=DELAY)
    assert states(convex) == ["pending"] * 3
    progress = convex.run(jobs.bulk_progress, job_id=started.job_id)
    assert progress is not None
    assert progress.state == "undone"

    started = convex.run(jobs.bulk, action="cancel", filter=wanted)
    convex.run(plan, labels=["after it was asked for"])
    convex.advance(seconds=DELAY)
    assert sorted(states(convex)) == ["canceled", "canceled", "canceled", "pending"]
    assert not convex.run(jobs.undo, job_id=started.job_id)
    assert actions(convex) == [("cancel", "local"), ("undo", "local"), ("cancel", "local")]


def test_portions_follow_each_other_to_the_end(convex: ConvexTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convexpy._system.bulk.PORTION", 2)
    convex.run(plan, labels=[str(number) for number in range(5)])
    started = convex.run(jobs.bulk, action="run_now", filter=Filter(functions=(name("work"),)))
    convex.advance(seconds=DELAY)
    convex.finish_all_scheduled()
    assert sorted(ran) == ["0", "1", "2", "3", "4"]
    progress = convex.run(jobs.bulk_progress, job_id=started.job_id)
    assert progress is not None
    assert (progress.state, progress.looked_at) == ("done", 4)


def test_failed_jobs_are_tried_again_each_as_a_new_one(convex: ConvexTest) -> None:
    (bad, good) = convex.run(plan, labels=["bad", "good"], seconds=0)
    convex.run_due()
    convex.run(jobs.bulk, action="retry", filter=Filter(states=("failed",)))
    convex.advance(seconds=DELAY)
    convex.run_due()
    assert ran == ["bad", "good", "bad"]
    again = convex.run(jobs.details, job_id=bad)
    assert again is not None
    assert (again.retried_state, again.exception, again.message) == ("success", "ValueError", "it failed")
    assert convex.run(jobs.details, job_id=good).retried_as is None  # type: ignore[union-attr]
    new = convex.run(jobs.details, job_id=str(again.retried_as))
    assert new is not None
    assert (new.job.retry_of, new.job.parent, new.args) == (bad, None, '{"label": "bad"}')


def test_a_job_is_canceled_at_once_and_again_scheduled_for_its_time(convex: ConvexTest) -> None:
    (job_id,) = convex.run(plan, labels=["again"])
    due = convex.now + timedelta(hours=1)
    assert convex.run(jobs.cancel_now, job_ids=[job_id, UNKNOWN]) == [job_id]
    assert convex.run(jobs.cancel_now, job_ids=[job_id]) == []
    new = convex.run(jobs.retry, job_id=job_id, time=due.timestamp() * 1000)
    convex.advance(minutes=59)
    assert ran == []
    convex.advance(minutes=1)
    assert ran == ["again"]
    assert [job.scheduled_time for job in (convex.job(job_id), convex.job(new)) if job] == [due, due]


def test_chosen_jobs_are_moved_together(convex: ConvexTest) -> None:
    ids = convex.run(plan, labels=["one", "two"])
    later = (convex.now + timedelta(days=1)).timestamp() * 1000
    convex.call("_system/jobs:bulk", {"action": "reschedule", "job_ids": ids, "time": later})
    convex.advance(hours=2)
    assert (ran, states(convex)) == ([], ["pending", "pending"])


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"action": "cancel"}, InvalidArguments),
        ({"action": "cancel", "job_ids": [UNKNOWN], "filter": {}}, InvalidArguments),
        ({"action": "reschedule", "job_ids": [UNKNOWN]}, InvalidArguments),
        ({"action": "cancel", "job_ids": ["x"]}, InvalidSchedule),
        ({"action": "cancel", "job_ids": [UNKNOWN] * 1001}, InvalidArguments),
        ({"action": "cancel", "filter": {"states": ["failed"]}}, ConvexError),
        ({"action": "cancel", "filter": {}}, ConvexError),
    ],
)
def test_a_wrong_bulk_action_is_refused(arguments: dict[str, Any], error: type[Exception]) -> None:
    with ConvexTest(__import__(__name__)) as convex, pytest.raises(error):
        convex.call("_system/jobs:bulk", arguments)


def test_a_job_is_scheduled_from_json(convex: ConvexTest) -> None:
    job_id = convex.call("_system/jobs:schedule", {"function": name("work"), "args": {"label": "typed"}})
    convex.run_due()
    later = (convex.now + timedelta(hours=1)).timestamp() * 1000
    convex.call("_system/jobs:schedule", {"function": name("work"), "args": {"label": "at"}, "time": later})
    convex.run_due()
    assert ran == ["typed"]
    convex.advance(hours=1)
    assert ran == ["typed", "at"]
    job = convex.run(jobs.details, job_id=job_id)
    assert job is not None
    assert job.args == '{"label": "typed"}'
    for wrong in ({"function": name("work"), "args": {"label": 1}}, {"function": name("read"), "args": {}}):
        with pytest.raises(ConvexError):
            convex.call("_system/jobs:schedule", wrong)


def test_only_a_bulk_action_can_be_undone(convex: ConvexTest) -> None:
    (job_id,) = convex.run(plan, labels=["kept"])
    for wrong in (job_id, UNKNOWN):
        with pytest.raises(ConvexError, match="no bulk action"):
            convex.run(jobs.undo, job_id=wrong)
    assert convex.run(jobs.bulk_progress, job_id=UNKNOWN) is None
