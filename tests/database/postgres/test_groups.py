"""A COMMIT that several jobs share and whose answer is lost, and what was claimed from birth in it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import pytest
from app.models import Note
from servers.wire import Wire
from sqlalchemy import URL, Connection

from convexpy import Convex, MutationCtx, internal_mutation, mutation
from convexpy.database import jobs
from convexpy.database.claim import Claim
from convexpy.dispatch import mutation_pool
from convexpy.dispatch.batch import Company
from convexpy.dispatch.batch_policy import BatchPolicy
from convexpy.dispatch.batch_runner import Group
from convexpy.dispatch.turns import Turns
from convexpy.functions.declare import Kind
from convexpy.runtime import together
from convexpy.runtime.events import Run

from .conftest import rows

PATIENCE_SECONDS = 60.0
CUTS = ["before COMMIT", "after COMMIT"]
TEXTS = "SELECT text FROM notes ORDER BY text"
CLAIMED = "SELECT count(*) FROM _convexpy_queue WHERE worker IS NOT NULL"
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
    for module in (together, mutation_pool):
        monkeypatch.setattr(module, "MOST_SECONDS", PATIENCE_SECONDS)


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not in time: {what}"


def is_quiet(url: URL) -> bool:
    return rows(url, "SELECT count(*) FROM _convexpy_queue") == [(0,)]


def run_as_a_group(convex: Convex) -> list[Run]:
    """Claim what is due and run it together. What the observers are told."""
    told: list[Run] = []
    convex.on_run(told.append)
    habits = BatchPolicy()
    group = Group(convex.worker.executor, convex.runtime.together, habits, Turns(1), lambda claims: None)
    habits.ran_alone(f"{__name__.rpartition('.')[2]}:write_and_schedule", 0.001, well=True)
    claims = convex.worker.dispatcher.claim(Kind.MUTATION, 100)
    group.run(Company(claims, lambda: None))
    return [run for run in told if run.name.endswith("write_and_schedule")]


@pytest.mark.parametrize("when", CUTS)
def test_each_job_of_a_commit_without_an_answer_happens_once(
    convex: Convex, near: Convex, url: URL, network: Wire, when: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    near.run(plan, texts=["a", "b", "c"])
    convex.worker.prepare(convex.app)
    finish_all = jobs.finish_all

    def cut_the_next(connection: Connection, claims: Sequence[Claim], now: datetime) -> bool:
        network.cut(when)
        return finish_all(connection, claims, now)

    monkeypatch.setattr(jobs, "finish_all", cut_the_next)
    told = run_as_a_group(convex)
    monkeypatch.setattr(jobs, "finish_all", finish_all)
    assert network.struck() == 1
    assert len({id(held) for text, held in transactions[:3]}) == 1, "they were not in one transaction"
    assert sorted(run.outcome for run in told) == ["success"] * 3
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


@pytest.mark.parametrize("when", CUTS)
def test_what_a_direct_call_claims_from_birth_runs_once_though_the_answer_was_lost(
    convex: Convex, url: URL, network: Wire, when: Any
) -> None:
    with convex.running():
        network.cut(when)
        convex.run(schedule_directly)
        wait_until(lambda: is_quiet(url) and network.struck() == 1, "it has run")
    assert [row[0] for row in rows(url, TEXTS)] == ["direct"]


def test_what_was_claimed_from_birth_in_doubt_is_given_back_at_the_next_look(
    convex: Convex, near: Convex, url: URL, network: Wire
) -> None:
    """Its place is free again, so nobody here would run it, and this worker lives."""
    service = convex.worker
    service.prepare(convex.app)
    near.run(plan, texts=["job"])
    (claim,) = service.dispatcher.claim(Kind.MUTATION, 1)
    convex.calls.places = places = OnePlace(convex)
    network.cut("after COMMIT")
    service.executor.exactly_once(claim)
    assert (network.struck(), places.kept, rows(url, CLAIMED)) == (1, 0, [(1,)])
    service.dispatcher.tick()
    assert rows(url, CLAIMED) == [(0,)]


class OnePlace:
    """A process with places for jobs, and nobody who takes what enters."""

    def __init__(self, convex: Convex) -> None:
        self.worker = convex.worker.heartbeat.worker
        self.doubt = convex.worker.dispatcher.doubt
        self.kept = 0

    def keep(self, kind: str) -> bool:
        self.kept += 1
        return True

    def give_back(self, kinds: Any) -> None:
        self.kept -= len(kinds)

    def enter(self, claims: Any) -> None:
        raise AssertionError("nobody knows whether they are there")
