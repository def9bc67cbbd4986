"""Whether a reader's chain of snapshots found each commit once: computed from the rows, and not from the log."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# When the server had started, and the transaction's id; of SQLite the number of the row.
Place = tuple[float, int]
Shows = Callable[[Place], bool]


@dataclass
class Verdict:
    """What was found in the account of one reader, or of all."""

    snapshots: int = 0
    resets: int = 0
    errors: int = 0
    found: int = 0
    values: int = 0
    """What subscribers were given."""
    wrong: list[str] = field(default_factory=list)

    def add(self, other: Verdict) -> None:
        self.snapshots += other.snapshots
        self.resets += other.resets
        self.errors += other.errors
        self.found += other.found
        self.values += other.values
        self.wrong += other.wrong

    def __str__(self) -> str:
        return (
            f"{self.snapshots} snapshots, {self.found} commits found in them, {self.resets} times everything, "
            f"{self.values} values of subscribers, {self.errors} errors, {len(self.wrong)} wrong"
        )


def shows(contains: Any, life: float) -> Shows:
    """Whether a snapshot shows the row at a place: of PostgreSQL by its text, of SQLite by the last place in it."""
    if isinstance(contains, int):
        return lambda place: place[1] <= contains
    xmin, xmax, in_progress = contains.split(":")
    hidden = {int(each) for each in in_progress.split(",")} if in_progress else set()
    first, end = int(xmin), int(xmax)

    def shows_place(place: Place) -> bool:
        started, number = place
        if started != life:  # what was committed before the server's last start is there, and nothing of a later one
            return started < life
        return number < first or (number < end and number not in hidden)

    return shows_place


def judge(account: Path, places: Mapping[str, Place]) -> Verdict:
    """Judge the account of one reader. ``places``: every token that was committed, and where."""
    verdict = Verdict()
    before: Shows | None = None
    count = 0
    for number, text in enumerate(account.read_text().splitlines(), 1):
        line = json.loads(text)
        if "error" in line:
            verdict.errors += 1
            continue
        verdict.snapshots += 1
        after, found = shows(line["contains"], line["life"]), line["found"]
        if found is None:
            verdict.resets += 1
        elif before is None:
            verdict.wrong.append(f"{account.name}:{number}: the first snapshot knows what is new")
        else:
            new = {token for token, place in places.items() if after(place) and not before(place)}
            verdict.found += len(new)
            check_found(Counter(found), new, f"{account.name}:{number}", verdict)
        if line["missing"]:
            verdict.wrong.append(f"{account.name}:{number}: found and not there: {line['missing'][:3]}")
        if line["count"] < count:
            verdict.wrong.append(f"{account.name}:{number}: {line['count']} rows after {count}")
        before, count = after, line["count"]
    if count != len(places):
        verdict.wrong.append(f"{account.name}: the last snapshot has {count} rows of {len(places)}")
    return verdict


def check_found(found: Counter[str], new: set[str], where: str, verdict: Verdict) -> None:
    if missed := new - found.keys():
        verdict.wrong.append(f"{where}: {len(missed)} commits are new and were not found: {sorted(missed)[:3]}")
    if extra := found.keys() - new:
        verdict.wrong.append(f"{where}: {len(extra)} commits were found and are not new: {sorted(extra)[:3]}")
    if twice := [token for token, times in found.items() if times > 1]:
        verdict.wrong.append(f"{where}: found twice: {twice[:3]}")


def judge_subscribers(account: Path, numbers: Mapping[int, int]) -> Verdict:
    """Judge what the subscribers of one process were given. ``numbers``: what each counter is at the end."""
    verdict = Verdict()
    latest: dict[int, int] = {}
    keys: dict[int, int] = {}
    for number, text in enumerate(account.read_text().splitlines(), 1):
        line = json.loads(text)
        subscriber, where = line["subscriber"], f"{account.name}:{number}"
        keys[subscriber] = line["key"]
        if "error" in line:
            verdict.errors += 1
            continue
        verdict.values += 1
        one, before = line["one"], latest.get(subscriber, -1)
        if one != line["other"]:
            verdict.wrong.append(f"{where}: {one} and {line['other']} are of two snapshots")
        if one <= before:
            verdict.wrong.append(f"{where}: {one} after {before}")
        latest[subscriber] = one
    for subscriber, key in keys.items():
        if latest.get(subscriber) != numbers[key]:
            verdict.wrong.append(
                f"{account.name}: {subscriber} ended with {latest.get(subscriber)}, not {numbers[key]}"
            )
    return verdict
