"""``LiveQuery``: a query with its arguments, shared by all its subscribers, and what its last run gave."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from ..database.read_set import ReadSet
from ..runtime.live_run import Dependencies, LiveRun
from .live_call import LiveCall
from .outcome import Outcome

# How much of the time of a run that was quicker counts.
SHARE_OF_QUICKER: Final = 0.2


class LiveQuery:
    """Owned by the thread of its group."""

    def __init__(self, call: LiveCall) -> None:
        self.call = call
        self.is_stale = True
        """It has to run before its outcome counts."""
        self.retry_at: float | None = None
        """By the monotonic clock: not before. It ran out of time, or the database failed with it."""
        self.refresh_at: datetime | None = None
        """When it runs again whatever was written."""
        self.outcome: Outcome | None = None
        self.reads = ReadSet()
        self.depends = Dependencies()
        self.seconds: float | None = None
        """How long its runs take. Two slow ones in a row count at once, and a while; one may be the machine's fault."""
        self._last_seconds: float | None = None
        self.failures = 0
        """How many times in a row the database failed with it."""
        self.runs = 0
        self.spent = 0.0
        """How long all its runs took."""
        self.unchanged = 0
        """Of its runs, those that changed nothing."""
        self.last_run: datetime | None = None
        self.touched_by: set[str] = set()
        """What made it stale."""
        self.invalidated_by: tuple[str, ...] = ()
        """What made it run last."""

    def note(self, run: LiveRun, outcome: Outcome, now: datetime) -> bool:
        """It ran. Whether its outcome has changed."""
        self.is_stale, self.retry_at, self.failures = False, None, 0
        self.depends, self.reads = run.depends, run.reads
        refresh = run.depends.refresh
        self.refresh_at = None if refresh is None else now + refresh
        last, self._last_seconds = self._last_seconds, run.seconds
        self.seconds = smoothed(self.seconds, run.seconds if last is None else min(last, run.seconds))
        self.runs += 1
        self.spent += run.seconds
        self.last_run = now
        self.invalidated_by, self.touched_by = tuple(sorted(self.touched_by)), set()
        changed = self.outcome is None or self.outcome.digest != outcome.digest
        self.unchanged += not changed
        if changed:
            self.outcome = outcome
        return changed

    def counts_for(self, other: LiveQuery) -> bool:
        """Whether its outcome is that of another query as well: the same, for another user."""
        if self.outcome is None or self.is_stale or self.depends.identity:
            return False
        return self.call.key.result == other.call.key.result

    def adopt(self, other: LiveQuery) -> None:
        """Have the outcome of another query, without a run."""
        self.is_stale = False
        self.outcome, self.reads, self.depends = other.outcome, other.reads, other.depends
        self.refresh_at, self.seconds, self._last_seconds = other.refresh_at, other.seconds, other._last_seconds
        self.runs, self.spent, self.last_run = other.runs, other.spent, other.last_run

    @property
    def is_current(self) -> bool:
        """Whether its outcome counts in the snapshot of this round."""
        return self.outcome is not None and (not self.is_stale or self.retry_at is not None)


def smoothed(before: float | None, seconds: float) -> float:
    if before is None or seconds >= before:
        return seconds
    return before + SHARE_OF_QUICKER * (seconds - before)
