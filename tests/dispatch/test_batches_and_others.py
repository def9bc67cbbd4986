"""Batches delay no others: neither direct calls, nor slow functions, nor what waits behind one that hangs."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest
from app.models import Note
from batch_runner import Journal, is_quiet, jobs_of, opened, texts
from support.waiting import PATIENCE_SECONDS, wait_until

from convexpy import MutationCtx, internal_mutation, mutation
from convexpy.dispatch import mutation_pool
from convexpy.dispatch.batch import Batch
from convexpy.functions.declare import Kind

journal = Journal()
arrived = threading.Event()
may_go = threading.Event()
all_here: list[threading.Barrier] = []
gates: dict[str, threading.Event] = {}


@pytest.fixture(autouse=True)
def nothing_noted() -> Iterator[None]:
    journal.entries.clear()
    arrived.clear()
    may_go.clear()
    yield
    may_go.set()  # a thread that hangs shall not hang beyond its test


@internal_mutation
def write(ctx: MutationCtx, text: str) -> None:
    journal.note(ctx, text)
    ctx.db.add(Note(text=text))
    arrived.set()


@internal_mutation
def write_or_hang(ctx: MutationCtx, text: str) -> None:
    """Hangs where nothing can interrupt it, if its text says so."""
    journal.note(ctx, text)
    ctx.db.add(Note(text=text))
    if text == "hang":
        ctx.db.flush()
        may_go.wait()


@internal_mutation
def wait_for_all(ctx: MutationCtx, text: str) -> None:
    """Goes on when as many run side by side as there are jobs."""
    all_here[0].wait(PATIENCE_SECONDS)
    ctx.db.add(Note(text=text))


@internal_mutation
def wait_for_its_gate(ctx: MutationCtx, text: str) -> None:
    journal.note(ctx, text)
    gates[text].wait(PATIENCE_SECONDS)
    ctx.db.add(Note(text=text))


@mutation
def plan(ctx: MutationCtx, name: str, labels: list[str]) -> None:
    for label in labels:
        ctx.schedule.now(f"{__name__}:{name}", text=label)  # type: ignore[arg-type]


@mutation
def write_now(ctx: MutationCtx, text: str) -> None:
    ctx.db.add(Note(text=text))


def labels(count: int, word: str = "note") -> list[str]:
    return [f"{word} {number:04}" for number in range(count)]


@pytest.mark.usefixtures("no_hurry")
def test_a_process_that_runs_jobs_commits_many_of_them_at_a_time(database: str) -> None:
    names = labels(300)
    with opened(database, sys.modules[__name__]) as convex:
        convex.run(plan, name="write", labels=names)
        with convex.running():
            wait_until(lambda: is_quiet(convex), "all jobs are over")
        assert texts(convex) == names
        assert {(job.state.kind, job.attempts) for job in jobs_of(convex).values()} == {("success", 1)}
    assert len(journal.transactions) < len(names) / 5


def test_a_direct_call_gets_through_while_a_long_queue_is_worked_off(database: str) -> None:
    names = labels(1000)
    with opened(database, sys.modules[__name__]) as convex:
        convex.run(plan, name="write", labels=names)
        with convex.running():
            assert arrived.wait(PATIENCE_SECONDS)
            convex.run(write_now, text="direct")
            assert not is_quiet(convex), "it had to wait for all of them"
            wait_until(lambda: is_quiet(convex), "all jobs are over")
        assert texts(convex) == ["direct", *names]


@pytest.mark.usefixtures("no_hurry")
def test_one_that_hangs_fails_alone_and_the_others_run_meanwhile(database: str) -> None:
    with opened(database, sys.modules[__name__], mutation_time_limit=1.0, mutation_concurrency=1) as convex:
        before, after = labels(5, "before"), labels(5, "after")
        convex.run(plan, name="write_or_hang", labels=[*before, "hang", *after])
        with convex.running():
            wait_until(lambda: is_quiet(convex), "all jobs are over, though one hangs")
            assert any("hang" in each and len(each) > 1 for each in journal.transactions), "it was not in a batch"
            assert texts(convex) == [*after, *before]
            for job in jobs_of(convex).values():
                is_bad = job.args == {"text": "hang"}
                assert (job.state.kind, job.attempts) == ("failed" if is_bad else "success", 1)
                assert not is_bad or "TIMEOUT" in str(job.state.error)
            may_go.set()
        assert texts(convex) == [*after, *before]
    assert journal.texts.count("hang") == 1


@pytest.mark.parametrize("database", ["postgres"], indirect=True)  # SQLite writes one at a time
def test_slow_functions_still_run_side_by_side(database: str) -> None:
    """Eight of them, none of which ends before all have begun: unknown at first, and then as quick as they were."""
    all_here[:] = [threading.Barrier(8)]
    with opened(
        database, sys.modules[__name__], mutation_concurrency=8, mutation_time_limit=PATIENCE_SECONDS
    ) as convex:
        for round_ in ("first", "second"):
            convex.run(plan, name="wait_for_all", labels=labels(8, round_))
        with convex.running():
            wait_until(lambda: is_quiet(convex), "all jobs are over")
        assert texts(convex) == [*labels(8, "first"), *labels(8, "second")]
        assert {job.state.kind for job in jobs_of(convex).values()} == {"success"}


@pytest.mark.parametrize("database", ["postgres"], indirect=True)  # SQLite writes one at a time
def test_the_next_slow_one_begins_as_soon_as_one_has_ended(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no more are claimed than there are threads, each thread that is free asks for the next."""
    monkeypatch.setattr(mutation_pool, "AHEAD_SECONDS", 0.0)
    names = labels(5)
    gates.update({name: threading.Event() for name in names})
    with opened(database, sys.modules[__name__], mutation_concurrency=4, poll_interval=10 * PATIENCE_SECONDS) as convex:
        convex.run(plan, name="wait_for_its_gate", labels=names)
        with convex.running():
            wait_until(lambda: len(journal.texts) == 4, "four have begun")
            gates[journal.texts[0]].set()
            wait_until(lambda: len(journal.texts) == 5, "the fifth has begun")
            for gate in gates.values():
                gate.set()
            wait_until(lambda: is_quiet(convex), "all jobs are over")
        assert texts(convex) == names


@pytest.mark.parametrize("database", ["postgres"], indirect=True)  # SQLite writes one at a time
@pytest.mark.usefixtures("no_hurry")
def test_what_waits_behind_a_slow_one_is_run_by_other_threads(database: str) -> None:
    """One that is quick as a rule and takes long this once holds up only itself."""
    with opened(database, sys.modules[__name__], mutation_concurrency=2) as convex:
        convex.run(plan, name="write_or_hang", labels=["known"])
        with convex.running():
            wait_until(lambda: is_quiet(convex), "it is known to be quick")
            convex.run(plan, name="write_or_hang", labels=["hang", *labels(50)])
            wait_until(lambda: len(texts(convex)) == 51, "all but one are done")
            assert [job["args"] for job in convex.call("_system/jobs:list", {"state": "pending"})] == [{"text": "hang"}]
            may_go.set()
            wait_until(lambda: is_quiet(convex), "the slow one is done")
        assert texts(convex) == ["hang", "known", *labels(50)]
    assert journal.texts.count("hang") == 1


def test_a_thread_that_comes_back_at_the_last_moment_is_kept(database: str) -> None:
    """Otherwise the mutation that runs by then would be failed in place of the late one."""
    with opened(database, sys.modules[__name__]) as convex:
        convex.worker.prepare(convex.app)
        convex.run(plan, name="write", labels=["late", "innocent"])
        batch = Batch(convex.worker.dispatcher.claim(Kind.MUTATION, 2))
        batch.begin()
        batch.expire()
        batch.end()  # it has come back
        innocent = batch.begin()
        assert batch.abandon_if_late(0.0) is None
        assert not batch.is_abandoned
        assert batch.end() == [innocent]
