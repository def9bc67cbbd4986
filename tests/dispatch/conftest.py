"""Batches whose make-up does not depend on how fast the machine is."""

from __future__ import annotations

import pytest
from support.waiting import PATIENCE_SECONDS

from convexpy.dispatch import batch_policy, mutation_pool
from convexpy.runtime.transaction import TransactionRunner


@pytest.fixture
def no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch has time, and every function counts as quick."""
    monkeypatch.setattr(TransactionRunner, "batch_seconds", PATIENCE_SECONDS)
    monkeypatch.setattr(mutation_pool, "BATCH_SECONDS", PATIENCE_SECONDS)
    monkeypatch.setattr(batch_policy, "QUICK_SECONDS", PATIENCE_SECONDS)
    monkeypatch.setattr(batch_policy, "MAYBE_QUICK_SECONDS", PATIENCE_SECONDS)
