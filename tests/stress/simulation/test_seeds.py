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


@pytest.mark.parametrize("seed", range(SEEDS))
def test_no_promise_is_broken(seed: int) -> None:
    outcome = play(seed)
    assert not outcome.broken, str(outcome)


@pytest.mark.parametrize("seed", [3, 8, 9])
def test_the_same_seed_brings_the_same_play(seed: int) -> None:
    first, second = play(seed), play(seed)
    assert first.faults > 0
    assert first.timeline == second.timeline


def test_mutations_share_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    run, shared, failed = TransactionRunner.run_transaction, list[int](), list[TransactionFailed]()

    def counted(self: TransactionRunner, *rest: Any) -> list[CallResult]:
        try:
            results = run(self, *rest)
        except TransactionFailed as error:
            if error.index:  # not the first of its transaction
                failed.append(error)
            raise
        shared.append(len(results))
        return results

    monkeypatch.setattr(TransactionRunner, "run_transaction", counted)
    for seed in range(15):
        play(seed)
    assert sum(size > 1 for size in shared) >= 10
    assert Broken in {type(failure.error) for failure in failed}


def test_batches_lose_claims(monkeypatch: pytest.MonkeyPatch) -> None:
    split, lost = JobExecutor._split, list[int]()

    def counted(self: JobExecutor, batch: Batch, items: list[BatchItem], failure: TransactionFailed) -> None:
        if isinstance(failure.error, JobLost):
            lost.append(len(items))
        split(self, batch, items, failure)

    monkeypatch.setattr(JobExecutor, "_split", counted)
    for seed in range(15):
        play(seed)
    assert lost


def test_faults_of_every_kind_strike() -> None:
    log = "\n".join(line for seed in range(10) for line in play(seed).timeline)
    for what in ("a conflict", "a failure", "the process dies", "freezes", "the clock steps"):
        assert what in log, what
