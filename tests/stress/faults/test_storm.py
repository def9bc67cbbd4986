"""Faults at random moments, a few of them; the long version has hundreds, and a new seed each time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from . import storm


@pytest.mark.parametrize(
    ("blow", "number"), [(storm.kills, 12), (storm.kills_beside_a_survivor, 8), (storm.freezes, 4)]
)
def test_faults_at_random_moments_lose_and_double_nothing(
    blow: Callable[[Path, int, int], storm.Storm], number: int, tmp_path: Path
) -> None:
    given = blow(tmp_path, number, 7)
    assert given.verdict.jobs > 20 * number // 2
    assert given.verdict.broken == []
