"""Several scheduled mutations in one transaction: each is by itself in everything but the COMMIT."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

import pytest
from app.models import Note
from batch_runner import BatchRunner, Journal, jobs_of, states, texts
from sqlalchemy import func, select
from sqlalchemy import text as sql
from sqlalchemy.orm import Session
from support.apps import START

from convexpy import JobId, MutationCtx, internal_mutation, mutation
from convexpy.database.jobs import release
from convexpy.runtime.transaction import TransactionRunner
from convexpy.testing import ConvexTest

pytestmark = pytest.mark.usefixtures("no_hurry")

journal = Journal()
sessions: list[Session] = []
contexts: list[MutationCtx] = []
around: list[str] = []


@pytest.fixture(autouse=True)
def nothing_noted() -> None:
    journal.entries.clear()
    for each in (sessions, contexts, around):
        each.clear()


@internal_mutation
def write(ctx: MutationCtx, text: str) -> None:
    journal.note(ctx, text)
    ctx.db.add(Note(text=text))


@internal_mutation
def write_again(ctx: MutationCtx, text: str) -> None:
    """What another function writes."""
    journal.note(ctx, text)
    ctx.db.add(Note(text=f"{text} by another"))


@internal_mutation
def count(ctx: MutationCtx, text: str) -> None:
    """Writes how many notes there are."""
    journal.note(ctx, text)
    ctx.db.add(Note(text=f"{text} sees {ctx.db.scalar(select(func.count()).select_from(Note))}"))


@internal_mutation
def look_around(ctx: MutationCtx, text: str) -> None:
    """Leaves an object to be flushed, and looks whether others did."""
    journal.note(ctx, text)
    assert not ctx.db.new
    assert not ctx.db.identity_map
    sessions.append(ctx.db)
    contexts.append(ctx)
    ctx.db.add(Note(text=text))


@internal_mutation
def plan_more(ctx: MutationCtx, text: str) -> None:
    journal.note(ctx, text)
    ctx.schedule.now(write, text=f"{text} child")


def around_each(ctx: MutationCtx) -> Iterator[MutationCtx]:
    around.append("begins")
    yield ctx
    around.append("ends")


@internal_mutation.use(around_each)
def wrapped(ctx: MutationCtx, text: str) -> None:
    journal.note(ctx, text)
    around.append(text)


@mutation
def plan(ctx: MutationCtx, works: list[tuple[str, str]]) -> list[JobId]:
    return [ctx.schedule.now(f"{__name__}:{name}", text=text) for name, text in works]  # type: ignore[arg-type]


@mutation
def cancel(ctx: MutationCtx, job_id: JobId) -> None:
    ctx.schedule.cancel(job_id)


def runner_for(convex: ConvexTest, *quick: str) -> BatchRunner:
    return BatchRunner(convex.convex, *(f"{__name__}:{name}" for name in quick))


def test_many_quick_jobs_share_their_commits_and_each_happens_once(convex: ConvexTest) -> None:
    runner, names = runner_for(convex, "write"), [f"note {number:03}" for number in range(150)]
    convex.run(plan, works=[("write", name) for name in names])
    runner.work()
    assert texts(convex.convex) == journal.texts == names
    assert len(journal.transactions) < len(names) / 5
    for job in jobs_of(convex.convex).values():
        assert (job.state.kind, job.attempts, job.completed_time, job.next_try) == ("success", 1, START, None)
    with convex.convex.database.read_internal() as connection:
        for table, rows in (("_convexpy_queue", 0), ("_convexpy_finished", len(names))):
            assert connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() == rows


def test_a_batch_ends_when_its_time_is_over(convex: ConvexTest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for its transaction, such as a direct call, waits for so long and no longer."""
    monkeypatch.setattr(TransactionRunner, "batch_seconds", 0.0)
    convex.run(plan, works=[("write", name) for name in "abc"])
    runner_for(convex, "write").work()
    assert journal.transactions == [["a"], ["b"], ["c"]]
    assert states(convex.convex) == ["success"] * 3


def test_a_function_that_is_not_known_yet_runs_alone_the_first_time(convex: ConvexTest) -> None:
    convex.run(plan, works=[("write", name) for name in "abc"])
    runner_for(convex).work()
    assert journal.transactions == [["a"], ["b", "c"]]


def test_different_functions_share_one_commit_in_the_order_of_the_queue(convex: ConvexTest) -> None:
    works = [("write", "a"), ("count", "b"), ("write_again", "c"), ("count", "d")]
    convex.run(plan, works=works)
    runner_for(convex, "write", "write_again", "count").work()
    assert journal.transactions == [["a", "b", "c", "d"]]
    assert texts(convex.convex) == ["a", "b sees 1", "c by another", "d sees 3"]


def test_each_has_a_session_a_job_and_arguments_of_its_own(convex: ConvexTest) -> None:
    ids = convex.run(plan, works=[("look_around", name) for name in "abc"])
    runner_for(convex, "look_around").work()
    assert journal.transactions == [["a", "b", "c"]]
    assert len({id(session) for session in sessions}) == 3
    assert [ctx.job.id for ctx in contexts if ctx.job] == ids
    assert [ctx.job.attempt for ctx in contexts if ctx.job] == [1, 1, 1]
    assert texts(convex.convex) == ["a", "b", "c"]


def test_each_has_a_now_of_its_own(convex: ConvexTest, monkeypatch: pytest.MonkeyPatch) -> None:
    convex.run(plan, works=[("look_around", name) for name in "ab"])
    moments = [START, datetime(2030, 2, 1, tzinfo=START.tzinfo)]
    runner, claims = runner_for(convex, "look_around"), None
    claims = runner.claim()

    def moved(ctx: MutationCtx, text: str) -> None:
        convex.clock.move_to(moments[1])  # after the first has begun

    monkeypatch.setattr(journal, "note", moved)
    runner.work(claims)
    assert [ctx.now for ctx in contexts] == moments


def test_a_context_cannot_be_used_during_the_call_of_another(convex: ConvexTest) -> None:
    """Otherwise a thread that one left behind would write in the transaction of the next."""
    convex.run(plan, works=[("look_around", name) for name in "ab"])
    runner, refusals = runner_for(convex, "look_around"), []
    original = journal.note

    def use_the_first(ctx: MutationCtx, text: str) -> None:
        original(ctx, text)
        for used in (lambda: sessions[0].execute(select(Note)), lambda: contexts[0].schedule.now(write, text="late")):
            if text == "b":
                with pytest.raises(Exception, match="after its call had ended") as refused:
                    used()
                refusals.append(refused)

    journal.note = use_the_first  # type: ignore[method-assign]
    try:
        runner.work()
    finally:
        journal.note = original  # type: ignore[method-assign]
    assert (len(refusals), states(convex.convex)) == (2, ["success"] * 2)


def test_what_each_schedules_is_there_once_and_is_run(convex: ConvexTest) -> None:
    ids = convex.run(plan, works=[("plan_more", name) for name in "abc"])
    runner = runner_for(convex, "plan_more", "write")
    runner.work()
    assert journal.transactions == [["a", "b", "c"]]
    children = [job for job in jobs_of(convex.convex).values() if job.name.endswith(":write")]
    assert sorted((job.parent, job.state.kind) for job in children) == sorted((job_id, "pending") for job_id in ids)
    runner.work()
    assert texts(convex.convex) == ["a child", "b child", "c child"]
    assert set(states(convex.convex)) == {"success"}


def test_middleware_is_around_each_of_them(convex: ConvexTest) -> None:
    convex.run(plan, works=[("wrapped", name) for name in "ab"])
    runner_for(convex, "wrapped").work()
    assert journal.transactions == [["a", "b"]]
    assert around == ["begins", "a", "ends", "begins", "b", "ends"]


def test_listeners_get_each_run_once_with_what_it_scheduled(convex: ConvexTest) -> None:
    ids = convex.run(plan, works=[("write", "a"), ("plan_more", "b"), ("write", "c")])
    runner = runner_for(convex, "write", "plan_more")
    runner.work()
    assert journal.transactions == [["a", "b", "c"]]
    assert [(run.job_id, run.outcome, run.error, run.attempt) for run in runner.runs] == [
        (job_id, "success", None, 1) for job_id in ids
    ]
    assert [[re.sub(r".*:", "", each.name) for each in run.scheduled] for run in runner.runs] == [[], ["write"], []]
    assert all(0 <= run.seconds < 60 for run in runner.runs)


def test_one_canceled_after_its_claim_does_not_happen_the_others_do(convex: ConvexTest) -> None:
    ids = convex.run(plan, works=[("write", name) for name in "abc"])
    runner = runner_for(convex, "write")
    claims = runner.claim()
    convex.run(cancel, job_id=ids[1])
    runner.work(claims)
    assert texts(convex.convex) == ["a", "c"]
    assert [jobs_of(convex.convex)[job_id].state.kind for job_id in ids] == ["success", "canceled", "success"]
    assert sorted(run.outcome for run in runner.runs) == ["lost", "success", "success"]
    assert {claim.job_id for claim in runner.ended} == set(ids)


def test_what_others_have_claimed_meanwhile_is_ended_by_them(convex: ConvexTest) -> None:
    """Given back and claimed again, the same jobs are held under another token."""
    convex.run(plan, works=[("write", name) for name in "abc"])
    runner = runner_for(convex, "write")
    given_back = runner.claim()
    convex.convex.worker.dispatcher.unclaim(given_back)
    claimed_again = runner.claim()
    runner.work(given_back)
    assert (texts(convex.convex), runner.outcomes()) == ([], ["lost"] * 3)
    runner.work(claimed_again)
    assert (texts(convex.convex), runner.outcomes()[3:]) == (["a", "b", "c"], ["success"] * 3)
    assert {(job.state.kind, job.attempts) for job in jobs_of(convex.convex).values()} == {("success", 1)}


def test_a_job_claimed_again_is_not_ended_under_its_old_claim(convex: ConvexTest) -> None:
    """A worker that was frozen may have a job twice: as it held it before others recovered it, and as it holds it now.

    Next to one of the same new claim, the old one has everything but a pair of job and token.
    """
    convex.run(plan, works=[("write", "a"), ("write", "b")])
    runner = runner_for(convex, "write")
    old = runner.claim()
    with convex.convex.database.write_internal() as connection:
        for claim in old:
            assert release(connection, claim, claim.kind, "the process that had claimed it died", claim.due_time)
    new = runner.claim()
    runner.work([old[0], new[1]])
    assert (texts(convex.convex), runner.outcomes()) == (["b"], ["lost", "success"])
    runner.work([new[0], old[1]])
    assert (texts(convex.convex), runner.outcomes()[2:]) == (["a", "b"], ["success", "lost"])
    assert [run.attempt for run in runner.runs if run.outcome == "success"] == [2, 2]
    assert {(job.state.kind, job.attempts) for job in jobs_of(convex.convex).values()} == {("success", 2)}


def test_one_canceled_by_another_of_its_batch_happens_or_is_canceled(convex: ConvexTest) -> None:
    (canceled,) = convex.run(plan, works=[("write", "canceled")])
    runner = runner_for(convex, "write", "cancel")
    claims = runner.claim()

    def cancel_it(ctx: MutationCtx, text: str) -> None:
        ctx.schedule.cancel(canceled)

    original, journal.note = journal.note, cancel_it  # type: ignore[method-assign]
    try:
        convex.run(plan, works=[("write", "canceler")])
        runner.work([*runner.claim(), *claims])
    finally:
        journal.note = original  # type: ignore[method-assign]
    job = jobs_of(convex.convex)[canceled]
    assert (job.state.kind, "canceled" in texts(convex.convex)) in (("canceled", False), ("success", True))
    assert "canceler" in texts(convex.convex)


@internal_mutation
def leave_a_savepoint(ctx: MutationCtx, text: str) -> None:
    ctx.db.execute(sql(f"SAVEPOINT {text}"))
    write(ctx, text)


@internal_mutation
def go_back(ctx: MutationCtx, text: str) -> None:
    journal.note(ctx, text)
    ctx.db.execute(sql(f"ROLLBACK TO {text}"))


def test_a_call_cannot_go_back_to_a_savepoint_of_another_call(convex: ConvexTest) -> None:
    convex.run(plan, works=[("leave_a_savepoint", "a"), ("go_back", "a")])
    runner_for(convex, "leave_a_savepoint", "go_back").work()
    assert journal.transactions[0] == ["a", "a"]
    assert texts(convex.convex) == ["a"]
    assert sorted(states(convex.convex)) == ["failed", "success"]
