"""The simulation finds planted bugs within so many seeds; ``tests.stress.simulation --bugs`` plants all of them."""

from __future__ import annotations

import pytest

from .bugs import BUGS, MOST_SEEDS, Plant, seed_that_finds


@pytest.mark.parametrize("plant", BUGS[::2], ids=lambda plant: plant.__name__)
def test_a_planted_bug_is_found(plant: Plant) -> None:
    found = seed_that_finds(plant)
    assert found is not None, f"{plant.__name__} was not found by {MOST_SEEDS} seeds"
