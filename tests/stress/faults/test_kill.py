"""``kill -9`` at the steps of a job's way, once; the command does all of them, each twenty times."""

from __future__ import annotations

from pathlib import Path

import pytest

from .steps import STEPS, Step, kill_at

# An action that is not async takes the same steps; a batch that splits takes many that are alike.
OTHERS = [step for step in STEPS if step.scenario not in ("sync action", "batch that splits")]
SPLITS = [step for step in STEPS if step.scenario == "batch that splits"]


@pytest.mark.parametrize("step", [*OTHERS, *SPLITS[::2]], ids=str)
def test_a_process_killed_here_loses_and_doubles_nothing(step: Step, tmp_path: Path) -> None:
    round = kill_at(step, tmp_path)
    assert round.fired, "the process was never killed here: the step is not on the way any more"
    assert round.verdict.broken == []
