"""Run every measurement in turn, several times over, and print medians with their spread."""

from __future__ import annotations

import argparse
import json
import platform
import sqlite3
import statistics
from collections.abc import Callable

from .measure import bare, direct, drain, latency

LEVELS = ("FULL", "NORMAL")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--jobs", type=int, default=3000, help="jobs to drain in each run")
    parser.add_argument("--calls", type=int, default=1000, help="direct calls in each run")
    parser.add_argument("--samples", type=int, default=300, help="latencies in each run")
    parser.add_argument("--rounds", type=int, default=3, help="how often every measurement is repeated")
    parser.add_argument("--json", action="store_true", help="print every single figure as JSON")
    wanted = parser.parse_args()

    found: dict[str, list[float]] = {}
    measurements = list_measurements(wanted.jobs, wanted.calls, wanted.samples)
    for number in range(wanted.rounds):
        # In turn, so that a machine that gets slower meanwhile slows down all of them.
        for name, measure in measurements.items():
            if not wanted.json:
                print(f"\r\033[Kround {number + 1} of {wanted.rounds}: {name}", end="", flush=True)
            for figure, value in measure().items():
                found.setdefault(figure, []).append(value)
    if wanted.json:
        print(json.dumps(found, indent=2))
        return
    print(f"\r\033[KPython {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {wanted.rounds} rounds")
    for figure, values in found.items():
        spread = f"({min(values):,.2f} to {max(values):,.2f})"
        print(f"  {figure:58} {statistics.median(values):>10,.2f}  {spread}")
    for level in LEVELS:
        ratios = [
            ours / plain
            for ours, plain in zip(
                found[f"direct mutation, {level}, us"], found[f"bare Session, {level}, us"], strict=True
            )
        ]
        print(f"  {f'direct mutation / bare Session, {level}':58} {statistics.median(ratios):>10,.2f}")


def list_measurements(jobs: int, calls: int, samples: int) -> dict[str, Callable[[], dict[str, float]]]:
    listed: dict[str, Callable[[], dict[str, float]]] = {}
    for level in LEVELS:
        for function, what in (("nothing", "no-op"), ("work", "UPDATE + INSERT")):
            figure = f"scheduled mutations, {what}, {level}, jobs/s"
            listed[figure] = lambda f=function, s=level, name=figure: {name: drain(f, s, jobs)}
        listed[f"latency, {level}"] = lambda s=level: percentiles(s, latency(s, samples))
        listed[f"direct, {level}"] = lambda s=level: {f"direct mutation, {s}, us": direct(s, calls)}
        listed[f"bare, {level}"] = lambda s=level: {f"bare Session, {s}, us": bare(s, calls)}
    return listed


def percentiles(level: str, values: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(values, n=100)
    return {
        f"commit to first line, {level}, p50 ms": cuts[49],
        f"commit to first line, {level}, p99 ms": cuts[98],
    }


if __name__ == "__main__":
    main()
