"""What is known of each function from its latest runs: whether it may share a transaction with others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# Who takes longer gains little by sharing a COMMIT, and others would wait for it.
QUICK_SECONDS: Final = 0.01
# How often a function may be in trouble, and whoever shares with it run for nothing.
MOST_TROUBLE: Final = 0.05
# How much of what is known the latest run makes.
SECONDS_SHARE: Final = 1 / 16
TROUBLE_SHARE: Final = 1 / 32


@dataclass
class Habit:
    """How long a function usually takes, and how often it fails or is in somebody's way."""

    seconds: float
    trouble: float = 0.0
    wants_alone: bool = False


class Habits:
    """The habits of the functions that this process runs. Its threads write side by side: a lost sample is none."""

    def __init__(self) -> None:
        self._known: dict[str, Habit] = {}

    def may_share(self, name: str) -> bool:
        """Whether a function is known to be quick, to go well, and to concern nobody else."""
        habit = self._known.get(name)
        return (
            habit is not None
            and habit.seconds <= QUICK_SECONDS
            and habit.trouble <= MOST_TROUBLE
            and not habit.wants_alone
        )

    def seconds(self, name: str) -> float:
        """How long a function usually takes."""
        habit = self._known.get(name)
        return habit.seconds if habit else QUICK_SECONDS

    def ran(self, name: str, seconds: float, *, well: bool) -> None:
        """A function ran, and its handler took so long."""
        habit = self._known.get(name)
        if habit is None:
            habit = self._known[name] = Habit(seconds)
        habit.seconds += (seconds - habit.seconds) * SECONDS_SHARE
        habit.trouble += ((0.0 if well else 1.0) - habit.trouble) * TROUBLE_SHARE

    def wants_alone(self, name: str) -> None:
        """A function does what concerns its whole transaction."""
        self._known.setdefault(name, Habit(0.0)).wants_alone = True
