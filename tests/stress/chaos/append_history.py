"""The list-append history: the answers that clients got, and what each job recorded itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .run_database import read_lines, write_lines


def write_history(folder: Path) -> None:
    """Make ``history.jsonl`` from the clients' log and the dumps."""
    write_lines(folder / "history.jsonl", lines_of(folder))


def lines_of(folder: Path) -> Iterator[dict[str, Any]]:
    begun: dict[str, dict[str, Any]] = {}
    answered: dict[str, dict[str, Any]] = {}
    for line in read_lines(folder / "appends.jsonl"):
        (begun if "steps" in line else answered)[line["id"]] = line
    as_jobs = {line["id"]: json.loads(line["reads"]) for line in read_lines(folder / "answers.jsonl")}
    for call, line in begun.items():
        entry = {"id": call, "proc": line["proc"] or call, "t0": line["t0"], "t1": None, "type": "info"}
        if call in answered:
            entry |= {key: answered[call][key] for key in ("t0", "t1", "type")}
            reads = answered[call]["reads"]
        elif call in as_jobs:  # its commit is certain, and its time is not: it may have been at any moment since
            entry |= {"proc": call, "type": "ok"}
            reads = as_jobs[call]
        else:
            reads = None
        entry["ops"] = list(ops_of(line["steps"], reads if entry["type"] == "ok" else None))
        yield entry
    yield from read_lines(folder / "final.jsonl")


def ops_of(steps: list[Any], reads: list[list[int]] | None) -> Iterator[list[Any]]:
    found = iter(reads or ())
    for what, key, value in steps:
        yield [what, key, value if what == "a" else None if reads is None else next(found)]
