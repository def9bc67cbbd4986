"""``ConvexTest(chaos=…)`` as users meet it: the seed is reported, direct calls succeed, dead processes stay dead."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from typing import Any, cast

import pytest
from sqlalchemy import select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from convexpy import ActionCtx, MutationCtx, Settings, internal_action, internal_mutation, mutation
from convexpy.database.statement import Statement
from convexpy.dispatch.batch import Batch
from convexpy.functions.declare import Kind
from convexpy.testing import ConvexTest
from convexpy.testing.chaos_worker import ChaosWorker
from convexpy.testing.faulty_database import Trace

ME = sys.modules[__name__]
PARALLEL = 5
WRITE = "INSERT INTO chaos_rows"
END = ["DELETE FROM _convexpy_queue", "UPDATE _scheduled_functions", "INSERT INTO _convexpy_finished"]


class Base(DeclarativeBase):
    pass


class Row(Base):
    __tablename__ = "chaos_rows"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]


runs: Counter[str] = Counter()


@mutation
def write(ctx: MutationCtx, text: str) -> None:
    runs[text] += 1
    ctx.db.add(Row(text=text))


@mutation
def plan(ctx: MutationCtx, jobs: int) -> None:
    for n in range(jobs):
        ctx.schedule.now(write, text=f"{n}")


@internal_mutation
def fan_out(ctx: MutationCtx) -> None:
    for n in range(3):
        ctx.schedule.now(run_many, text=f"{n}")


@internal_action
async def run_many(ctx: ActionCtx, text: str) -> None:
    runs[f"start {text}"] += 1
    await asyncio.gather(*(ctx.run_mutation(write, text=f"{text}.{n}") for n in range(PARALLEL)))


def play(seed: int | None, calls: int = 20, fails: bool = False, **settings: Any) -> ConvexTest:
    runs.clear()
    with ConvexTest(ME, metadata=Base.metadata, chaos=seed, settings=Settings(**settings)) as convex:
        for n in range(calls):
            convex.run(write, text=str(n))
        assert not fails
        with convex.db() as db:
            assert sorted(db.scalars(select(Row.text))) == sorted(str(n) for n in range(calls))
    return convex


def test_an_error_in_the_block_carries_the_seed_and_what_went_wrong() -> None:
    with pytest.raises(AssertionError) as failure:
        play(1, fails=True)
    (note,) = failure.value.__notes__
    assert note.startswith("with chaos=1, which repeats it.")
    assert "a conflict: direct call, before COMMIT" in note


def test_a_direct_call_runs_again_after_a_conflict_and_takes_effect_once() -> None:
    play(1)
    assert sum(runs.values()) > 20


@pytest.mark.parametrize("retries", [0, 1, 2])
def test_a_direct_call_never_gives_up(retries: int) -> None:
    for seed in range(2):
        play(seed, 30, mutation_retries=retries)
    assert retries or set(runs.values()) == {1}


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_statement_is_one_step(jobs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    monkeypatch.setattr(Trace, "execute", lambda self, statement: sent.append(first_words(statement)))
    with ConvexTest(ME, metadata=Base.metadata, chaos=1) as convex:
        assert convex._chaos is not None
        convex._chaos.is_awake = False
        convex.run(plan, jobs=jobs)
        worker = cast(ChaosWorker, convex._worker)
        claims = worker.worker.dispatcher.claim(Kind.MUTATION, jobs)
        assert len(claims) == jobs
        sent.clear()
        worker.worker.executor.perform(Batch(claims))
    assert sent == [*[WRITE] * jobs, *END]


def first_words(statement: Any) -> str:
    """A statement, up to the name of its table."""
    clause = statement.clause if isinstance(statement, Statement) else statement
    return " ".join(str(clause).split()[: 2 if clause.is_update else 3])


def test_without_a_seed_nothing_goes_wrong() -> None:
    convex = play(None)
    assert set(runs.values()) == {1}
    assert convex._chaos is None


def test_what_a_dead_process_left_running_reaches_no_database() -> None:
    lost = 0
    for seed in range(6):
        runs.clear()
        with ConvexTest(ME, metadata=Base.metadata, chaos=seed) as convex:
            convex.run(fan_out)
            convex.run_due()
            with convex.db() as db:
                written = Counter(db.scalars(select(Row.text)))
            convex.advance(minutes=1)
            with convex.db() as db:
                assert Counter(db.scalars(select(Row.text))) == written
            assert set(written.values()) <= {1}
            for job in convex.jobs(name="test_chaos_seed:run_many"):
                text = job.args["text"]
                found = sum(written[f"{text}.{n}"] for n in range(PARALLEL))
                assert runs[f"start {text}"] <= 1
                assert job.state.kind in ("success", "failed")
                assert job.state.kind == "failed" or found == PARALLEL
                lost += job.state.kind == "failed"
    assert lost > 0
