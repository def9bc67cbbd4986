"""Some tens of plays keep every promise, and a play can be repeated."""

from __future__ import annotations

import pytest

from .play import play

SEEDS = 20


@pytest.mark.parametrize("seed", range(SEEDS))
def test_no_promise_is_broken(seed: int) -> None:
    outcome = play(seed)
    assert not outcome.broken, str(outcome)


def test_the_same_seed_brings_the_same_play() -> None:
    first, second = play(7), play(7)
    assert first.misfortunes > 0
    assert first.timeline == second.timeline


def test_misfortune_comes_in_every_kind() -> None:
    said = "\n".join(line for seed in range(10) for line in play(seed).timeline)
    for what in ("a conflict", "a failure", "the process dies", "freezes", "the clock steps"):
        assert what in said, what
