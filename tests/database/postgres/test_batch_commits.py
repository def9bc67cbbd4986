"""A COMMIT that several jobs share and whose answer is lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from app.models import Note
from servers.wire import Wire
from sqlalchemy import URL, Connection

from convexpy import Convex, MutationCtx, internal_mutation, mutation
from convexpy.database import jobs
from convexpy.database.claim import Claim
from convexpy.dispatch import mutation_pool
from convexpy.dispatch.batch import Batch
from convexpy.functions.declare import Kind
from convexpy.runtime.events import Run
from convexpy.runtime.transaction import TransactionRunner

from .conftest import rows

PATIENCE_SECONDS = 60.0
CUTS = ["before COMMIT", "after COMMIT"]
TEXTS = "SELECT text FROM notes ORDER BY text"
transactions: list[tuple[str, object]] = []


@internal_mutation
def write(ctx: MutationCtx, text: str) -> None:
    ctx.db.add(Note(text=text))


@internal_mutation
def write_and_schedule(ctx: MutationCtx, text: str) -> None:
    transactions.append((text, vars(ctx)["_transaction"].transaction))
    ctx.db.add(Note(text=text))
    ctx.schedule.now(write, text=f"{text} child")


@mutation
def plan(ctx: MutationCtx, texts: list[str]) -> None:
    for text in texts:
        ctx.schedule.now(write_and_schedule, text=text)


@mutation
def schedule_directly(ctx: MutationCtx) -> None:
    ctx.schedule.now(write, text="direct")


@pytest.fixture(autouse=True)
def no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    transactions.clear()
    monkeypatch.setattr(TransactionRunner, "batch_seconds", PATIENCE_SECONDS)
    monkeypatch.setattr(mutation_pool, "BATCH_SECONDS", PATIENCE_SECONDS)


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not in time: {what}"


def is_quiet(url: URL) -> bool:
    return rows(url, "SELECT count(*) FROM _convexpy_queue") == [(0,)]


def run_as_a_batch(convex: Convex) -> list[Run]:
    """Claim what is due and run it in one transaction. The runs that were reported."""
    runs: list[Run] = []
    convex.on_run(runs.append)
    executor = convex.worker.executor
    executor.policy.succeeded(f"{__name__.rpartition('.')[2]}:write_and_schedule", 0.001, shared=False)
    executor.perform(Batch(convex.worker.dispatcher.claim(Kind.MUTATION, 100)))
    return [run for run in runs if run.name.endswith("write_and_schedule")]


@pytest.mark.parametrize("when", CUTS)
def test_each_job_of_a_commit_without_an_answer_happens_once(
    convex: Convex, near: Convex, url: URL, network: Wire, when: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    near.run(plan, texts=["a", "b", "c"])
    convex.worker.prepare(convex.app)
    finish = jobs.finish

    def cut_the_next(connection: Connection, claims: Sequence[Claim], *how: Any) -> bool:
        if len(claims) > 1:
            network.cut(when)
        return finish(connection, claims, *how)

    monkeypatch.setattr(jobs, "finish", cut_the_next)
    runs = run_as_a_batch(convex)
    monkeypatch.setattr(jobs, "finish", finish)
    assert network.struck() == 1
    assert len({id(transaction) for _, transaction in transactions[:3]}) == 1, "they were not in one transaction"
    assert sorted(run.outcome for run in runs) == ["success"] * 3
    with convex.running():
        wait_until(lambda: is_quiet(url), "their children have run")
    assert [row[0] for row in rows(url, TEXTS)] == ["a", "a child", "b", "b child", "c", "c child"]
    assert rows(url, "SELECT state_kind, count(*) FROM _scheduled_functions GROUP BY 1") == [("success", 6)]


@pytest.mark.parametrize("when", CUTS)
@pytest.mark.parametrize("times", [1, 4])
def test_a_worker_whose_connections_break_in_commit_runs_a_queue_once(
    convex: Convex, near: Convex, url: URL, network: Wire, when: Any, times: int
) -> None:
    names = [f"{number:02}" for number in range(40)]
    with convex.running():
        near.run(plan, texts=["first"])
        wait_until(lambda: is_quiet(url), "the function is known")
        network.cut(when, times)
        near.run(plan, texts=names)
        wait_until(lambda: is_quiet(url) and network.struck() >= times, "all have run")
    expected = sorted(each for name in ("first", *names) for each in (name, f"{name} child"))
    assert [row[0] for row in rows(url, TEXTS)] == expected
    assert rows(url, "SELECT state_kind, count(*) FROM _scheduled_functions GROUP BY 1") == [("success", 82)]
