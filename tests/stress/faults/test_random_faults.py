"""Faults at random moments, a few of them; the long version has hundreds, and a new seed each time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from . import random_faults


@pytest.mark.parametrize(
    ("strike", "number"),
    [
        pytest.param(random_faults.kills, 12, marks=pytest.mark.long),
        (random_faults.kills_beside_a_survivor, 8),
        pytest.param(random_faults.freezes, 4, marks=pytest.mark.long),
    ],
)
def test_faults_at_random_moments_lose_and_double_nothing(
    strike: Callable[[Path, int, int], random_faults.RandomFaultsResult], number: int, tmp_path: Path
) -> None:
    given = strike(tmp_path, number, 7)
    assert given.verdict.jobs > 5 * number
    assert given.verdict.broken == []
