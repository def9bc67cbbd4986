"""The report on a run: the checkers' verdict, the figures, and whether it failed."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from .checkers.jobs import Rules
from .checkers.report import Report, check
from .run import Outcome, RunOptions
from .run_database import read_lines

ENDS: Final = {"success", "failed", "canceled"}


def report_on(options: RunOptions, outcome: Outcome) -> dict[str, Any]:
    """Let the checkers judge the run's files, put everything together, and write it beside them."""
    # On SQLite a worker's own clock is the time that counts, so a wrong one may make it start early.
    verdict = check(options.folder, Rules(excuses="clock" if options.database == "sqlite" else None))
    counts, looked_at = verdict.jobs.counts(), verdict.jobs.looked_at
    report = {
        "database": options.database,
        "seed": options.seed,
        "seconds": round(outcome.seconds, 1),
        "faults": sum(outcome.fired.values()),
        "fired": outcome.fired,
        "missed": outcome.missed,
        "jobs": looked_at["jobs"],
        **counts,
        "anomalies": len(verdict.history.violations),
        "looked at": {**looked_at, **verdict.history.looked_at},
        "batched": batched(options.folder),
        "delays": {name: round(seconds, 3) for name, seconds in verdict.jobs.figures.items()},
        "worst recovery": worst_recovery(options.folder),
        "quiet after": outcome.quiet_after,
        "answers": answers(options.folder),
        "problems": [*outcome.problems, *failures(options.folder)],
        "violations": [] if verdict.is_clean else list(lines_of(verdict)),
        "versions": outcome.versions,
        "settings": outcome.settings,
    }
    text = json.dumps(report, indent=2, default=str)
    (options.folder / "report.json").write_text(text + "\n", encoding="utf-8")
    return report


def lines_of(verdict: Report) -> Iterator[str]:
    """What the checkers found, with timelines; not what they looked at."""
    lines = verdict.lines()
    for line in lines:
        if line.startswith(("by name", "VIOLATION", "    ")):
            yield line


def is_clean(report: dict[str, Any]) -> bool:
    return not report["problems"] and not report["violations"]


def worst_recovery(folder: Path) -> dict[str, Any]:
    """The longest time from the end of a fault to the next job that ended."""
    ends = sorted(
        line["at"] for line in read_lines(folder / "audit.jsonl") if line["new"] in ENDS and line["old"] not in ENDS
    )
    worst: dict[str, Any] = {"seconds": 0.0, "kind": None}
    for fault in read_lines(folder / "faults.jsonl"):
        index = bisect_right(ends, fault["t1"])
        if index < len(ends) and (waited := ends[index] - fault["t1"]) > worst["seconds"]:
            worst = {"seconds": round(waited, 3), "kind": fault["kind"], "at": fault["t1"]}
    return worst


def answers(folder: Path) -> dict[str, int]:
    """The answers that clients got, errors by their first words."""
    answered: Counter[str] = Counter()
    for line in read_lines(folder / "intents.jsonl"):
        if "op" in line:
            answered["calls"] += 1
        else:
            text = "" if line["outcome"] == "ok" else f" {str(line['answer'])[:90]}"
            answered[line["outcome"] + re.sub(r"[0-9]+", "N", text)] += 1
    return dict(answered.most_common(15))


def batched(folder: Path) -> dict[str, int]:
    """How many mutations ended in one transaction with others, which gives all of them the same time; of how many."""
    ended = Counter(
        job["completed_time"]
        for job in read_lines(folder / "jobs.jsonl")
        if job["kind"] == "mutation" and job["state_kind"] == "success"
    )
    sizes = [size for size in ended.values() if size > 1]
    return {"jobs": sum(sizes), "of": ended.total(), "transactions": len(sizes), "most": max(sizes, default=0)}


def failures(folder: Path) -> list[str]:
    """Mutations that failed. Nothing in the app is a reason to, unless its time was up."""
    failed: Counter[str] = Counter()
    for job in read_lines(folder / "jobs.jsonl"):
        if job["kind"] == "mutation" and job["state_kind"] == "failed":
            failed[f"{job['name']} failed: {job['state_error'][:200]}"] += 1
    return [f"{number} times {text}" for text, number in failed.items() if " TIMEOUT:" not in text]


def show(report: dict[str, Any]) -> None:
    """Print it for people."""
    for kind, times in report["fired"].items():
        missed = f"   and {report['missed'][kind]} times in vain" if kind in report["missed"] else ""
        print(f"  {kind:<42} {times:>6}{missed}")
    for name in report:
        if name not in ("fired", "missed", "problems", "violations"):
            print(f"  {name:<42} {report[name]}")
    for problem in report["problems"]:
        print(f"  BROKEN {problem}")
    for line in report["violations"]:
        print(f"  {line}")
    print("CLEAN" if is_clean(report) else "BROKEN", flush=True)
