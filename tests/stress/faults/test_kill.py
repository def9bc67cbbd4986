"""``kill -9`` at each step of a job's way, once; the command does each twenty times."""

from __future__ import annotations

from pathlib import Path

import pytest

from .steps import STEPS, Step, kill_at

# An action that is not async takes the same steps; a batch that splits takes many that are alike.
LONG = ("sync action", "batch that splits")


def parameter(step: Step) -> object:
    return pytest.param(step, id=str(step), marks=[pytest.mark.long] if step.scenario in LONG else [])


@pytest.mark.parametrize("step", [parameter(step) for step in STEPS])
def test_a_process_killed_here_loses_and_doubles_nothing(step: Step, tmp_path: Path) -> None:
    round = kill_at(step, tmp_path)
    assert round.fired, "the process was never killed here: the step is not on the way any more"
    assert round.verdict.broken == []
