"""What a commit publishes: what it scheduled, which jobs it ended, its statements; to other processes only jobs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from app.models import Base, Note
from sqlalchemy import select
from support.apps import START, app_of
from support.databases import new_database
from support.waiting import PATIENCE_SECONDS

from convexpy import (
    ActionCtx,
    ConvexError,
    Crons,
    JobId,
    MutationCtx,
    QueryCtx,
    action,
    internal_mutation,
    mutation,
    query,
)
from convexpy._system import jobs as system_jobs
from convexpy.database.commits import Commit, CommitFeed
from convexpy.functions.declare import Kind
from convexpy.runtime.transaction import TransactionRunner
from convexpy.testing import ConvexTest


@internal_mutation
def work(ctx: MutationCtx) -> None:
    ctx.db.add(Note(text=f"by {ctx.job and ctx.job.id}"))  # texts are unique


@internal_mutation
def fail(ctx: MutationCtx) -> None:
    ctx.schedule.now(work)
    raise ConvexError("CONFLICT", "it failed on purpose")


@action
async def act(ctx: ActionCtx) -> None: ...


@mutation
def write(ctx: MutationCtx, text: str) -> None:
    ctx.db.add(Note(text=text))


@mutation
def plan(ctx: MutationCtx, seconds: float = 0, fails: bool = False) -> JobId:
    return ctx.schedule.after(timedelta(seconds=seconds), fail if fails else work)


@mutation
def plan_act(ctx: MutationCtx) -> JobId:
    return ctx.schedule.now(act)


@mutation
def cancel(ctx: MutationCtx, job_id: JobId) -> None:
    ctx.schedule.cancel(job_id)


@mutation
def write_then_raise(ctx: MutationCtx) -> None:
    ctx.db.add(Note(text="gone"))
    ctx.schedule.now(work)
    ctx.db.flush()
    raise ConvexError("CONFLICT", "it failed on purpose")


@query
def read(ctx: QueryCtx) -> list[str]:
    return list(ctx.db.scalars(select(Note.text)))


class Listener:
    """The commits of an app from now on, and how often other processes were notified."""

    def __init__(self, convex: ConvexTest, monkeypatch: pytest.MonkeyPatch) -> None:
        self.commits: list[Commit] = []
        self.notifications = 0
        feed = convex.convex.database.commits
        feed.listen(self.commits.append)
        monkeypatch.setattr(feed._notifier, "notify", self._notify)

    def _notify(self, driver: Any = None) -> None:
        self.notifications += 1

    def take(self) -> list[Commit]:
        """The commits since the last look that concern a job or sent statements of a user's function."""
        taken, self.commits[:] = [*self.commits], []
        return [each for each in taken if each.scheduled or each.ended or each.statements]


def dues_of(commit: Commit) -> dict[JobId, datetime]:
    return {job.id: job.due_time for job in commit.scheduled}


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    yield from new_database(request.param, tmp_path)


@pytest.fixture
def convex(request: pytest.FixtureRequest, url: str) -> Iterator[ConvexTest]:
    with ConvexTest(request.module, metadata=Base.metadata, database_url=url, now=START) as convex:
        yield convex


@pytest.fixture
def listener(convex: ConvexTest, monkeypatch: pytest.MonkeyPatch) -> Listener:
    return Listener(convex, monkeypatch)


def test_a_mutation_publishes_what_it_scheduled_and_when_that_is_due(convex: ConvexTest, listener: Listener) -> None:
    job_id = convex.run(plan, seconds=60)
    (commit,) = listener.take()
    assert (dues_of(commit), commit.ended) == ({job_id: START + timedelta(seconds=60)}, [])
    assert listener.notifications == 1


def test_a_mutation_that_only_writes_rows_is_published_here_only(convex: ConvexTest, listener: Listener) -> None:
    convex.run(write, text="note")
    (commit,) = listener.take()
    assert (commit.scheduled, commit.ended) == ([], [])
    assert list(commit.statements) == ["test_commits:write"]
    assert "notes" in commit.footprint().writes
    assert listener.notifications == 0


def test_a_query_publishes_nothing(convex: ConvexTest, listener: Listener) -> None:
    convex.run(read)
    assert listener.take() == []


def test_a_rollback_publishes_nothing(convex: ConvexTest, listener: Listener) -> None:
    with pytest.raises(ConvexError, match="on purpose"):
        convex.run(write_then_raise)
    assert (listener.take(), listener.notifications) == ([], 0)


def test_a_commit_is_published_when_its_rows_can_be_seen(convex: ConvexTest, listener: Listener) -> None:
    seen: list[list[str]] = []
    convex.convex.database.commits.listen(
        lambda commit: seen.append(convex.run(read)) if commit.statements and not seen else None
    )
    convex.run(write, text="note")
    assert seen == [["note"]]


def test_a_run_publishes_the_job_that_it_ended(convex: ConvexTest, listener: Listener) -> None:
    job_id = convex.run(plan)
    listener.take()
    convex.run_due()
    ending = [commit for commit in listener.take() if commit.ended]
    assert [commit.ended for commit in ending] == [[job_id]]
    assert "notes" in ending[0].footprint().writes  # its rows and its end are one commit


def test_a_batch_publishes_all_of_its_ends_in_one_commit(
    convex: ConvexTest, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TransactionRunner, "batch_seconds", PATIENCE_SECONDS)
    convex.convex.worker.executor.policy.succeeded("test_commits:work", 0.0001, shared=False)
    ids = [convex.run(plan) for _ in range(3)]
    listener.take()
    convex.convex.worker.run_due(Kind.MUTATION, 10)
    assert [commit.ended for commit in listener.take() if commit.ended] == [ids]


def test_a_failure_publishes_the_end_and_not_what_was_scheduled(convex: ConvexTest, listener: Listener) -> None:
    job_id = convex.run(plan, fails=True)
    listener.take()
    convex.run_due()
    commits = listener.take()
    assert [commit.ended for commit in commits if commit.ended] == [[job_id]]
    assert not any(commit.scheduled for commit in commits)


def test_an_action_publishes_its_end(convex: ConvexTest, listener: Listener) -> None:
    job_id = convex.run(plan_act)
    listener.take()
    convex.run_due()
    assert [commit.ended for commit in listener.take() if commit.ended] == [[job_id]]


def test_a_cancel_publishes_the_end_of_the_job(convex: ConvexTest, listener: Listener) -> None:
    ids = [convex.run(plan, seconds=60) for _ in range(2)]
    listener.take()
    convex.run(cancel, job_id=ids[0])
    convex.run(system_jobs.cancel, job_id=ids[1])
    assert [commit.ended for commit in listener.take()] == [[ids[0]], [ids[1]]]


def test_what_is_given_back_is_published_as_due(convex: ConvexTest, listener: Listener) -> None:
    job_id = convex.run(plan)
    listener.take()
    dispatcher = convex.convex.worker.dispatcher
    dispatcher.unclaim(dispatcher.claim(Kind.MUTATION, 1))
    (commit,) = [commit for commit in listener.take() if commit.scheduled]
    assert dues_of(commit) == {job_id: START}


def test_a_cron_publishes_the_job_of_its_slot(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    crons = Crons()
    crons.interval("hourly", work, hours=1)
    app = app_of(work, crons=crons)
    with ConvexTest(app, metadata=Base.metadata, database_url=url, now=START) as convex:
        listener = Listener(convex, monkeypatch)
        assert convex.convex.worker.crons.tick() == 0.0
        (commit,) = [commit for commit in listener.take() if commit.scheduled]
        assert [job.due_time for job in commit.scheduled] == [START]


def test_an_internal_transaction_that_raises_publishes_nothing(convex: ConvexTest, listener: Listener) -> None:
    with suppress(ValueError), convex.convex.database.write_internal() as connection:
        connection.exec_driver_sql("SELECT 1")
        raise ValueError("on purpose")
    assert listener.commits == []


def test_a_listener_that_fails_does_not_fail_the_call(
    convex: ConvexTest, listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(commit: Commit) -> None:
        raise ValueError("on purpose")

    convex.convex.database.commits.listen(broken)
    convex.run(write, text="note")
    assert convex.run(read) == ["note"]
    assert "could not be announced" in caplog.text


def test_a_listener_that_is_forgotten_is_called_no_more(convex: ConvexTest) -> None:
    feed: CommitFeed = convex.convex.database.commits
    commits: list[Commit] = []

    def remote() -> None: ...

    feed.listen_to_jobs(commits.append, remote)
    convex.run(plan, seconds=60)
    before = len(commits)
    feed.forget_jobs(commits.append, remote)
    convex.run(plan, seconds=60)
    assert before > 0
    assert len(commits) == before
