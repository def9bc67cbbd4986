"""A run of a function as a line of the log. Arguments are not shown: they may be secrets."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..clock import unix_milliseconds
from .output import clock_time, duration, escaped, one_line, relative

if TYPE_CHECKING:
    from rich.text import Text

    from ..runtime.events import Run, Scheduled

OUTCOMES: Final = {
    "success": ("ok", "green"),
    "failed": ("failed", "red"),
    "canceled": ("canceled while running", "yellow"),
    "retry": ("will be retried", "yellow"),
    "lost": ("taken over by another worker", "yellow"),
}
SHOWN: Final = 3
LISTED: Final = 10
INDENT: Final = " " * 9


def run_line(run: Run, root: Path) -> Text:
    """``12:01:05 mutation orders:process_order  3.2 ms  ok  → orders:charge in 5 s``, and an error below it."""
    from rich.text import Text

    word, style = OUTCOMES[run.outcome]
    line = Text(f"{clock_time(run.started)} ", style="dim")
    line.append(f"{run.kind:8} ", style="dim")
    line.append(one_line(run.name), style="bold not dim")
    line.append(f"  {duration(run.seconds)}  ")
    line.append(word, style=f"{style} not dim")
    for note in notes(run):
        line.append(f"  {note}")
    for error_line in error_lines(run.error, root):
        line.append(f"\n{INDENT}{error_line}", style="red not dim")
    return line


def notes(run: Run) -> Iterator[str]:
    """The cron, the attempt and what the run scheduled."""
    if run.cron is not None:
        yield f"cron {one_line(run.cron)!r}"
    if run.attempt > 1:
        yield f"attempt {run.attempt}"
    if run.scheduled:
        shown = [f"{one_line(each.name)} {relative(each.due, run.started)}" for each in run.scheduled[:SHOWN]]
        more = [f"{len(run.scheduled) - SHOWN} more"] if len(run.scheduled) > SHOWN else []
        yield "→ " + ", ".join(shown + more)


def error_lines(error: str | None, root: Path) -> list[str]:
    """The lines of an error, with paths relative to the project."""
    if not error:
        return []
    return escaped(error).removeprefix("convexpy.errors.").replace(f"{root}{os.sep}", "").split("\n")


def run_document(run: Run) -> dict[str, Any]:
    """A run as one JSON object of the log, with the time as a datetime."""
    reason = "" if run.error is None else f": {run.error.partition(chr(10))[0]}"
    document = {
        "time": run.started,
        "level": run.level,
        "logger": "convexpy.run",
        "message": f"{run.kind} {run.name} {run.outcome} in {duration(run.seconds)}{reason}",
        "kind": run.kind,
        "function": run.name,
        "outcome": run.outcome,
        "milliseconds": round(run.seconds * 1000, 3),
        "job": run.job_id,
        "attempt": run.attempt,
        "cron": run.cron,
        "error": run.error,
        "scheduled": [scheduled_document(each) for each in run.scheduled],
    }
    trace = None if run.is_refusal else run.trace
    return document if trace is None else {**document, "traceback": trace}


def scheduled_document(scheduled: Scheduled) -> dict[str, Any]:
    return {"name": scheduled.name, "scheduledTime": unix_milliseconds(scheduled.due), "id": scheduled.job_id}


def scheduled_notes(scheduled: Sequence[Scheduled], now: datetime) -> Iterator[str]:
    """A line for each job, or one for all of many."""
    if len(scheduled) <= LISTED:
        for each in scheduled:
            yield f"→ {one_line(each.name)} {relative(each.due, now)}, job {each.job_id}"
        return
    counted = Counter(each.name for each in scheduled)
    names = ", ".join(f"{one_line(name)} ({times:,})" for name, times in counted.most_common(SHOWN))
    more = f" and {len(counted) - SHOWN} other functions" if len(counted) > SHOWN else ""
    yield f"→ {len(scheduled):,} jobs: {names}{more}"
