"""The result as text: a table for each workload, and the targets below it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .figures import Row, Target, judge, ratio
from .workload import Workload

VERDICTS = {True: "met", False: "NOT MET", None: "not measured"}


def heading(data: dict[str, Any]) -> Iterator[str]:
    """The conditions of the run."""
    machine, versions = data["machine"], ", ".join(f"{name} {v}" for name, v in data["versions"].items() if v)
    yield f"{machine['system']}, {machine['cores']} cores, {machine['disk']}; {versions}"
    yield f"{data['at']}, commit {data['commit']}, scale {data['scale']:g}, medians of {data['rounds']} rounds (spread)"


def table(workload: Workload, rows: list[Row]) -> Iterator[str]:
    """One workload: a line for each system and figure, then a line for each target."""
    yield f"{workload.name}: {workload.title}"
    ours = next((row for row in rows if row.system.startswith("convexpy")), None)
    width = max((len(row.system) for row in rows), default=0)
    for row in rows:
        name = f"  {row.system:{width}}"
        if (problem := row.problem()) is not None:
            yield f"{name}  {problem}"
            continue
        for number, measure in enumerate(workload.figures):
            values, found = row.values.get(measure.name, []), row.median(measure.name)
            if found is None:
                continue
            spread = f"({amount(min(values))} to {amount(max(values))})"
            factor = ratio(row, ours, measure.name) if ours and row is not ours else None
            compared = f"ours/theirs {factor:.2f}" if factor is not None else ""
            last = row.guarantee if number == 0 else ""
            yield f"{name}  {amount(found):>9} {measure.name:11} {spread:24} {compared:18} {last}".rstrip()
    yield from (line(target, rows, workload) for target in workload.targets)


def line(target: Target, rows: list[Row], workload: Workload) -> str:
    verdict = judge(target, rows, workload.metric(target.figure))
    reached = "" if verdict.reached is None else f": {verdict.reached:.2f}"
    against = f" (best: {verdict.against})" if verdict.against and len(target.theirs) > 1 else ""
    missing = f" [without {', '.join(verdict.missing)}]" if verdict.missing and verdict.reached is not None else ""
    ours = "" if target.ours == "convexpy" else f"{target.ours} "
    figure = f"{target.figure} " if target.theirs and len(workload.figures) > 1 else ""
    return f"  target {ours}{figure}{target}{reached}{against} {VERDICTS[verdict.is_met]}{missing}"


def amount(value: float) -> str:
    """A number with three significant digits, or all of its integer digits."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
