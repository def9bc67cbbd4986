"""What all files of a run say about one violation, in the order of time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from .verdict import Violation

# In which field each file keeps the time of a line; of several, the first that is set.
TIMES: Final = {
    "intents.jsonl": ("t0", "t1"),
    "effects.jsonl": ("at",),
    "audit.jsonl": ("at",),
    "jobs.jsonl": ("completed_time", "started_time", "scheduled_time"),
    "queue.jsonl": ("due_time",),
    "finished.jsonl": ("completed_time",),
    "history.jsonl": ("t0",),
}
NEARBY: Final = 5.0
LONGEST_LINE: Final = 400
MOST_LINES: Final = 60
MOST_NAMES: Final = 20


def timelines(folder: Path, violations: Sequence[Violation]) -> list[list[str]]:
    """For each violation the lines of all files that name its jobs, calls or transactions, with the faults meanwhile.

    The files are read once more, as they are: what a check has not understood is shown, too.
    """
    found: list[list[tuple[float, str, str]]] = [[] for _ in violations]
    # Names stand in quotation marks in JSON, so `c1` does not find `c10`.
    wanted = [[f'"{name}"' for name in violation.about[:MOST_NAMES]] for violation in violations]
    for file, times in TIMES.items():
        for line in lines_of(folder / file):
            for index, names in enumerate(wanted):
                if any(name in line for name in names):
                    found[index].append((time_of(line, times), file, line.strip()))
    for line in lines_of(folder / "actions.log"):
        words = line.split()
        for index, violation in enumerate(violations):
            if set(words[1:3]) & set(violation.about):
                found[index].append((number(words[-1]), "actions.log", line.strip()))
    faults = [json.loads(line) for line in lines_of(folder / "faults.jsonl")]
    return [text_of(lines, faults) for lines in found]


def lines_of(path: Path) -> Iterator[str]:
    if path.exists():
        with path.open(encoding="utf-8", errors="replace") as lines:
            yield from lines


def time_of(line: str, fields: tuple[str, ...]) -> float:
    """When a line's event was; what has no time comes last."""
    try:
        read = json.loads(line)
    except ValueError:
        return float("inf")
    return next((float(read[field]) for field in fields if read.get(field) is not None), float("inf"))


def number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return float("inf")  # the line was written only in part


def text_of(lines: list[tuple[float, str, str]], faults: list[dict[str, Any]]) -> list[str]:
    times = [time for time, _, _ in lines]
    for fault in faults:
        begin, end = fault["t0"] - NEARBY, (fault.get("t1") or fault["t0"]) + NEARBY
        if any(begin <= time <= end for time in times):
            lines.append((fault["t0"], "faults.jsonl", json.dumps(fault)))
    lines.sort()
    shown = [f"{time:.6f}  {file.partition('.')[0]:<8}  {line[:LONGEST_LINE]}" for time, file, line in lines]
    return [*shown[:MOST_LINES], *([f"… and {len(shown) - MOST_LINES} more lines"] if len(shown) > MOST_LINES else [])]
