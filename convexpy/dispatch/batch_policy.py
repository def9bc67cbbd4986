"""What is known of each function from its latest runs: whether it may share a transaction with others."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

# Who takes longer gains little by sharing a COMMIT, and others would wait for it.
QUICK_SECONDS: Final = 0.01
# Alone, side by side with others, a quick one may take much longer. Whether it is quick is found out by a try.
MAYBE_QUICK_SECONDS: Final = 0.1
# How often a function may fail: whoever shares with it then has run for nothing.
MOST_TROUBLE: Final = 0.05
# After so long it is tried again.
APART_SECONDS: Final = 2.0
# How much of what is known the latest run makes.
SECONDS_SHARE: Final = 1 / 16
TROUBLE_SHARE: Final = 1 / 32


@dataclass
class FunctionStats:
    """How long a function usually takes, how often it fails, and until when it goes its own way."""

    seconds: float = 0.0
    trouble: float = 0.0
    apart_until: float = 0.0
    not_batchable: bool = False
    has_shared: bool = False

    def part(self) -> None:
        """Go its own way for a while; then nothing is held against it."""
        self.apart_until = time.monotonic() + APART_SECONDS
        self.trouble = 0.0
        self.has_shared = False


class BatchPolicy:
    """The habits of the functions that this process runs. Its threads write side by side: a lost sample is none."""

    def __init__(self) -> None:
        self._known: dict[str, FunctionStats] = {}

    def may_share(self, name: str) -> bool:
        """Whether a function is known to be quick, to go well, and to concern nobody else."""
        habit = self._known.get(name)
        if habit is None or habit.not_batchable or habit.seconds > MAYBE_QUICK_SECONDS:
            return False
        return not habit.apart_until or time.monotonic() >= habit.apart_until

    def seconds(self, name: str) -> float:
        """How long a function usually takes."""
        return min(QUICK_SECONDS, self._habit(name).seconds)

    def ran_alone(self, name: str, seconds: float, *, well: bool) -> None:
        """A function ran by itself, side by side with others."""
        habit = self._habit(name)
        habit.seconds = seconds if not habit.seconds else habit.seconds + (seconds - habit.seconds) * SECONDS_SHARE
        habit.trouble += ((0.0 if well else 1.0) - habit.trouble) * TROUBLE_SHARE
        if habit.trouble > MOST_TROUBLE:
            habit.part()

    def shared(self, name: str, seconds: float) -> None:
        """A function ran well in its turn."""
        habit = self._habit(name)
        # What it took alone, with its own COMMIT and side by side with others, says little of what it takes here.
        habit.seconds += (seconds - habit.seconds) * (SECONDS_SHARE if habit.has_shared else 1.0)
        habit.has_shared = True
        habit.trouble -= habit.trouble * TROUBLE_SHARE
        if habit.seconds > QUICK_SECONDS and seconds > QUICK_SECONDS:
            habit.part()

    def not_batchable(self, name: str) -> None:
        """A function does what concerns its whole transaction."""
        self._habit(name).not_batchable = True

    def _habit(self, name: str) -> FunctionStats:
        return self._known.get(name) or self._known.setdefault(name, FunctionStats())
