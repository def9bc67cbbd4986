"""Some tens of plays keep every promise, and a play can be repeated."""

from __future__ import annotations

from typing import Any

import pytest

from convexpy.dispatch.batch import Batch, BatchItem
from convexpy.dispatch.executor import JobExecutor
from convexpy.runtime.call import CallResult
from convexpy.runtime.transaction import JobLost, TransactionFailed, TransactionRunner

from .app import Broken
from .play import play

SEEDS = 20


@pytest.mark.parametrize("seed", [pytest.param(n, marks=[pytest.mark.long] if n >= 8 else []) for n in range(SEEDS)])
def test_no_promise_is_broken(seed: int) -> None:
    outcome = play(seed)
    assert not outcome.broken, str(outcome)


@pytest.mark.parametrize("seed", [3, *(pytest.param(n, marks=pytest.mark.long) for n in (8, 9))])
def test_the_same_seed_brings_the_same_play(seed: int) -> None:
    first, second = play(seed), play(seed)
    assert first.faults > 0
    assert first.timeline == second.timeline


def test_mutations_share_transactions_and_batches_split(monkeypatch: pytest.MonkeyPatch) -> None:
    run, split, shared, reasons = TransactionRunner.run_transaction, JobExecutor._split, list[int](), set[type]()

    def counted(self: TransactionRunner, *rest: Any) -> list[CallResult]:
        results = run(self, *rest)
        shared.append(len(results))
        return results

    def noted(self: JobExecutor, batch: Batch, items: list[BatchItem], failure: TransactionFailed) -> None:
        reasons.add(type(failure.error))
        split(self, batch, items, failure)

    monkeypatch.setattr(TransactionRunner, "run_transaction", counted)
    monkeypatch.setattr(JobExecutor, "_split", noted)
    for seed in range(SEEDS):
        play(seed)
        if sum(size > 1 for size in shared) >= 10 and reasons >= {JobLost, Broken}:
            return
    pytest.fail(f"{SEEDS} seeds shared {shared} and were split by {reasons}")


def test_faults_of_every_kind_strike() -> None:
    missing = {"a conflict", "a failure", "the process dies", "freezes", "the clock steps"}
    for seed in range(10):
        log = "\n".join(play(seed).timeline)
        missing = {what for what in missing if what not in log}
        if not missing:
            return
    pytest.fail(f"no seed shows {missing}")
