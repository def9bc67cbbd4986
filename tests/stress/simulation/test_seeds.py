"""Some tens of plays keep every promise, and a play can be repeated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from convexpy.database.claim import Claim
from convexpy.runtime.call import Done
from convexpy.runtime.together import BatchFailed, Together
from convexpy.runtime.transaction import JobLost
from convexpy.testing.places import UnluckyPlaces

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
    assert first.misfortunes > 0
    assert first.timeline == second.timeline


def test_mutations_share_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    attempt, shared, apart = Together.attempt, list[int](), list[BatchFailed]()

    def counted(self: Together, *rest: Any) -> list[Done]:
        try:
            done = attempt(self, *rest)
        except BatchFailed as error:
            apart.append(error)
            raise
        shared.append(len(done))
        return done

    monkeypatch.setattr(Together, "attempt", counted)
    for seed in range(15):
        play(seed)
    assert sum(size > 1 for size in shared) >= 10
    assert {type(error.cause) for error in apart} >= {JobLost, Broken}


def test_jobs_are_claimed_from_their_birth(monkeypatch: pytest.MonkeyPatch) -> None:
    enter, entered = UnluckyPlaces.enter, list[Claim]()

    def counted(self: UnluckyPlaces, claims: Sequence[Claim]) -> None:
        entered.extend(claims)
        enter(self, claims)

    monkeypatch.setattr(UnluckyPlaces, "enter", counted)
    for seed in range(10):
        play(seed)
    assert len(entered) >= 20
    assert {claim.kind for claim in entered} == {"mutation", "action"}


def test_misfortune_comes_in_every_kind() -> None:
    said = "\n".join(line for seed in range(10) for line in play(seed).timeline)
    for what in ("a conflict", "a failure", "the process dies", "freezes", "the clock steps"):
        assert what in said, what
