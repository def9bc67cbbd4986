"""Both checkers on one run's folder, and what they say in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from . import elle, jobs
from .history import read_history
from .jobs import Rules
from .run import read_run
from .timeline import timelines
from .verdict import Verdict, Violation

MOST_VIOLATIONS: Final = 10


@dataclass(frozen=True)
class Report:
    """The verdicts on a run's jobs and on its history of lists."""

    folder: Path
    jobs: Verdict
    history: Verdict

    @property
    def is_clean(self) -> bool:
        return self.jobs.is_clean and self.history.is_clean

    def to_json(self) -> dict[str, Any]:
        """Numbers only: what was looked at, and violations by count and by name."""
        return {
            "clean": self.is_clean,
            "jobs": {**self.jobs.looked_at, **self.jobs.figures, **self.jobs.counts()},
            "history": dict(self.history.looked_at),
            "violations": {**self.jobs.names(), **self.history.names()},
            "notes": [*self.jobs.notes, *self.history.notes],
        }

    def lines(self, most: int = MOST_VIOLATIONS) -> Iterator[str]:
        """The verdict in words, with a timeline of the first violations."""
        yield from summary("jobs", self.jobs)
        yield ", ".join(f"{count} {number:,}" for count, number in self.jobs.counts().items())
        yield from summary("history", self.history)
        yield f"anomalies {len(self.history.violations):,}"
        for verdict in (self.jobs, self.history):
            yield from self._violations(verdict, most)
        number = len(self.jobs.violations) + len(self.history.violations)
        yield "CLEAN" if self.is_clean else f"BROKEN: {number:,} violations"

    def _violations(self, verdict: Verdict, most: int) -> Iterator[str]:
        if verdict.is_clean:
            return
        yield "by name: " + ", ".join(f"{name} {number:,}" for name, number in verdict.names().most_common())
        first: list[Violation] = verdict.first_of_each(most)
        for violation, timeline in zip(first, timelines(self.folder, first), strict=True):
            yield f"VIOLATION {violation}"
            yield from (f"    {line}" for line in timeline)


def summary(what: str, verdict: Verdict) -> Iterator[str]:
    yield f"{what}: " + ", ".join(f"{name} {number:,}" for name, number in verdict.looked_at.items())
    if verdict.figures:
        yield "    " + ", ".join(f"{name} {seconds:.3f} s" for name, seconds in verdict.figures.items())
    for note in verdict.notes:
        yield f"    not shown: {note}"


def check(folder: Path, rules: Rules | None = None) -> Report:
    """Judge the files of a run.

    Raises:
        FileNotFoundError: A file is missing. Only ``crons.jsonl`` and ``markers.jsonl`` may be.
        ValueError: A line of a dump cannot be read; it says which.
    """
    run, history = read_run(folder), read_history(folder)
    run.appended = frozenset(each.id for each in history.transactions if each.type == "ok")
    return Report(folder, jobs.judge(run, rules), elle.judge(history))
