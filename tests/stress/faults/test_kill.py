"""``kill -9`` before and after each commit of a job's way, once; the command does it at each step, twenty times."""

from __future__ import annotations

from pathlib import Path

import pytest

from .steps import STEPS, Step, kill_at

# An action that is not async takes the same steps; a batch that splits takes many that are alike.
LONG = ("sync action", "batch that splits")


def parameter(number: int, step: Step) -> object:
    is_long = step.scenario in LONG or leaves_what_others_leave(number, step)
    return pytest.param(step, id=str(step), marks=[pytest.mark.long] if is_long else [])


def leaves_what_others_leave(number: int, step: Step) -> bool:
    """Whether the steps before and after it lie between the same two commits: a killed process leaves the same file."""
    before, after = STEPS[number - 1], STEPS[(number + 1) % len(STEPS)]
    is_between = before.scenario == step.scenario == after.scenario and "after" not in (step.moment, after.moment)
    return is_between and (step.state, step.starts, step.exists) == (after.state, after.starts, after.exists)


@pytest.mark.parametrize("step", [parameter(number, step) for number, step in enumerate(STEPS)])
def test_a_process_killed_here_loses_and_doubles_nothing(step: Step, tmp_path: Path) -> None:
    round = kill_at(step, tmp_path)
    assert round.fired, "the process was never killed here: the step is not on the way any more"
    assert round.verdict.broken == []
