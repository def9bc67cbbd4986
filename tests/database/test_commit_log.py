"""The commit log: each transaction that wrote something leaves one row that says what, and no other leaves one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from app.models import Note
from sqlalchemy import text
from support.apps import START, app_of
from support.waiting import PATIENCE_SECONDS

from convexpy import ActionCtx, ConvexError, Crons, JobId, MutationCtx, QueryCtx, action, internal_mutation, mutation
from convexpy import query as query_function
from convexpy._system import crons as system_crons
from convexpy.database.attempts import Attempt
from convexpy.database.tables import conflicts
from convexpy.database.transaction import OpenTransaction
from convexpy.database.write_set import WriteSet
from convexpy.functions.declare import Kind
from convexpy.runtime.context import Context
from convexpy.runtime.transaction import TransactionRunner
from convexpy.testing import ConvexTest

JOBS = "_scheduled_functions"


def transaction_of(ctx: Context) -> OpenTransaction:
    transaction: OpenTransaction = vars(ctx)["_transaction"].transaction
    return transaction


@mutation
def write(ctx: MutationCtx, label: str = "note") -> None:
    ctx.db.add(Note(text=label))
    transaction_of(ctx).changes.writes.add("notes", {"id": [1]})


@mutation
def do_nothing(ctx: MutationCtx) -> None: ...


@mutation
def write_then_raise(ctx: MutationCtx) -> None:
    ctx.db.add(Note(text="gone"))
    transaction_of(ctx).changes.writes.add("notes")
    raise ConvexError("CONFLICT", "on purpose")


@query_function
def read(ctx: QueryCtx) -> None: ...


@internal_mutation
def work(ctx: MutationCtx) -> None: ...


@internal_mutation
def fail(ctx: MutationCtx) -> None:
    raise ConvexError("CONFLICT", "on purpose")


@action
async def act(ctx: ActionCtx) -> None: ...


@mutation
def plan(ctx: MutationCtx, name: str = "work", seconds: float = 0) -> JobId:
    function: Any = {"work": work, "fail": fail, "act": act}[name]
    return ctx.schedule.after(seconds * 1000, function)


@mutation
def cancel(ctx: MutationCtx, job_id: JobId) -> None:
    ctx.schedule.cancel(job_id)


class Log:
    """The rows that were added since the last look, without those of receipts that wrote nothing."""

    def __init__(self, convex: ConvexTest) -> None:
        self._convex = convex
        self._seen: set[int] = set()
        self.take()

    def take(self) -> list[tuple[str | None, dict[str, Any] | None]]:
        statement = "SELECT position, function, writes FROM _convexpy_commits ORDER BY position"
        with self._convex.db() as db:
            rows = db.execute(text(statement)).all()
        new = [row for row in rows if row.position not in self._seen]
        self._seen.update(row.position for row in rows)
        return [(row.function, WriteSet.from_json(row.writes).tables) for row in new if row.writes != "{}"]


@pytest.fixture
def log(convex: ConvexTest) -> Log:
    return Log(convex)


def of_jobs(*ids: JobId) -> dict[str, Any]:
    return {JOBS: {"id": set(ids)}}


def test_a_mutation_leaves_one_row_that_names_it_and_its_writes(convex: ConvexTest, log: Log) -> None:
    convex.run(write)
    assert log.take() == [("test_commit_log:write", {"notes": {"id": {1}}})]


def test_what_wrote_nothing_leaves_no_row(convex: ConvexTest, log: Log) -> None:
    convex.run(do_nothing)
    convex.run(read)
    with pytest.raises(ConvexError, match="on purpose"):
        convex.run(write_then_raise)
    convex.convex.worker.heartbeat.beat()
    assert log.take() == []


def test_what_is_scheduled_and_canceled_is_in_the_log(convex: ConvexTest, log: Log) -> None:
    job_id = convex.run(plan, seconds=60)
    convex.run(cancel, job_id=job_id)
    assert log.take() == [("test_commit_log:plan", of_jobs(job_id)), ("test_commit_log:cancel", of_jobs(job_id))]


def test_a_claim_leaves_no_row_and_the_end_of_a_job_does(convex: ConvexTest, log: Log) -> None:
    good, bad = convex.run(plan), convex.run(plan, name="fail")
    log.take()
    dispatcher, executor = convex.convex.worker.dispatcher, convex.convex.worker
    claims = dispatcher.claim(Kind.MUTATION, 2)
    dispatcher.unclaim(claims)
    assert log.take() == []
    for claim in dispatcher.claim(Kind.MUTATION, 2):
        executor.run(claim)
    assert log.take() == [("test_commit_log:work", of_jobs(good)), (None, of_jobs(bad))]


def test_the_start_and_the_end_of_an_action_are_in_the_log(convex: ConvexTest, log: Log) -> None:
    job_id = convex.run(plan, name="act")
    log.take()
    convex.run_due()
    assert log.take() == [(None, of_jobs(job_id)), (None, of_jobs(job_id))]


def test_a_job_that_is_postponed_is_in_the_log(convex: ConvexTest, log: Log) -> None:
    job_id = convex.run(plan)
    log.take()
    worker = convex.convex.worker
    (claim,) = worker.dispatcher.claim(Kind.MUTATION, 1)
    worker.executor._try_again(claim, Attempt(job_id, 1, convex.now, 0.0, "error", "the disk is full"))
    assert log.take() == [(None, of_jobs(job_id))]


def test_a_batch_leaves_one_row(convex: ConvexTest, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TransactionRunner, "batch_seconds", PATIENCE_SECONDS)
    convex.convex.worker.executor.policy.succeeded("test_commit_log:work", 0.0001, shared=False)
    ids = [convex.run(plan) for _ in range(3)]
    log.take()
    convex.convex.worker.run_due(Kind.MUTATION, 10)
    assert log.take() == [("test_commit_log:work", of_jobs(*ids))]


def test_crons_are_in_the_log(database: str) -> None:
    crons = Crons()
    crons.interval("hourly", work, hours=1)
    with ConvexTest(app_of(work, crons=crons), database_url=database, now=START) as convex:
        log = Log(convex)
        convex.run_due()
        convex.advance(hours=1)
        convex.run(system_crons.run, name="hourly")
        writes = [tables for _, tables in log.take()]
        assert all(
            tables["_convexpy_crons"] == {"name": {"hourly"}} for tables in writes if "_convexpy_crons" in tables
        )
        assert sum("_convexpy_crons" in tables for tables in writes) >= 2


def test_conflict_records_are_in_the_log(convex: ConvexTest, log: Log) -> None:
    from convexpy.database.conflicts import ConflictRecord, add_conflicts

    with convex.convex.database.write_internal() as connection:
        add_conflicts(connection, [ConflictRecord("a", "b", None, 1, START)])
    assert log.take() == [(None, {conflicts.name: None})]


def test_jobs_that_are_purged_are_in_the_log(convex: ConvexTest, log: Log) -> None:
    convex.run(plan)
    convex.run_due()
    log.take()
    convex.clock.move_to(START + timedelta(days=8))
    convex.convex.worker.retention.tick()
    assert log.take() == [(None, {JOBS: None})]
