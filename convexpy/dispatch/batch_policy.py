"""Whether a function's mutations may share a transaction with others, by what its latest runs were like."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

# A function that takes longer gains little by sharing a COMMIT, and others would wait for it.
QUICK_SECONDS: Final = 0.01
# Side by side with others, a quick function may take much longer. One attempt in a batch tells.
MAYBE_QUICK_SECONDS: Final = 0.1
# How often a function may fail: a failure costs the others of its batch a second run.
MOST_FAILURES: Final = 0.05
# For so long a function that was slow or failed runs alone.
ALONE_SECONDS: Final = 2.0
# The weight of the latest run in the averages.
SECONDS_WEIGHT: Final = 1 / 16
FAILURES_WEIGHT: Final = 1 / 32


@dataclass(slots=True)
class FunctionStats:
    """How long a function usually takes, how often it fails, and until when it runs alone."""

    seconds: float = 0.0
    failures: float = 0.0
    alone_until: float = 0.0
    not_batchable: bool = False
    has_shared: bool = False

    def add_seconds(self, seconds: float, *, afresh: bool = False) -> None:
        self.seconds += (seconds - self.seconds) * (1.0 if afresh or not self.seconds else SECONDS_WEIGHT)

    def run_alone(self) -> None:
        """Run alone for a while; then it starts afresh."""
        self.alone_until = time.monotonic() + ALONE_SECONDS
        self.failures = 0.0
        self.has_shared = False


class BatchPolicy:
    """The functions that this process runs. Its threads write side by side; a lost sample does no harm."""

    def __init__(self) -> None:
        self._stats: dict[str, FunctionStats] = {}

    def may_share(self, name: str) -> bool:
        """Whether a function is known to be quick, to succeed, and to concern no other call."""
        stats = self._stats.get(name)
        if stats is None or stats.not_batchable or stats.seconds > MAYBE_QUICK_SECONDS:
            return False
        return not stats.alone_until or time.monotonic() >= stats.alone_until

    def seconds(self, name: str) -> float:
        """How long a function usually takes."""
        return min(QUICK_SECONDS, self.stats(name).seconds)

    def succeeded(self, name: str, seconds: float, *, shared: bool) -> None:
        """A run that took so long, alone or in a batch."""
        stats = self.stats(name)
        # What a function took side by side with others says little of what it takes in a batch.
        stats.add_seconds(seconds, afresh=shared and not stats.has_shared)
        stats.failures -= stats.failures * FAILURES_WEIGHT
        stats.has_shared = stats.has_shared or shared
        if shared and stats.seconds > QUICK_SECONDS and seconds > QUICK_SECONDS:
            stats.run_alone()

    def failed(self, name: str, seconds: float) -> None:
        """A run that did not succeed."""
        stats = self.stats(name)
        stats.add_seconds(seconds)
        stats.failures += (1.0 - stats.failures) * FAILURES_WEIGHT
        if stats.failures > MOST_FAILURES:
            stats.run_alone()

    def never_share(self, name: str) -> None:
        """A function does what concerns its whole transaction."""
        self.stats(name).not_batchable = True

    def stats(self, name: str) -> FunctionStats:
        return self._stats.get(name) or self._stats.setdefault(name, FunctionStats())
