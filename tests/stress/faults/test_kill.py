"""``kill -9`` at each step of a job's way, once or twice; the long version does each twenty times."""

from __future__ import annotations

from pathlib import Path

import pytest

from .steps import STEPS, Step, kill_at


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_a_process_killed_here_loses_and_doubles_nothing(step: Step, tmp_path: Path) -> None:
    for n in range(2):
        round = kill_at(step, tmp_path / str(n))
        assert round.fired, "the process was never killed here: the step is not on the way any more"
        assert round.verdict.broken == []
