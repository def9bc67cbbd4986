"""``kill -9`` at each step of a job's way, once; the command does each twenty times."""

from __future__ import annotations

from pathlib import Path

import pytest

from .steps import STEPS, Step, kill_at


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_a_process_killed_here_loses_and_doubles_nothing(step: Step, tmp_path: Path) -> None:
    round = kill_at(step, tmp_path)
    assert round.fired, "the process was never killed here: the step is not on the way any more"
    assert round.verdict.broken == []
