"""Measure every workload for convexpy, its peers and the bare drivers, several times, and compare them."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # as pytest does

from .backends import Backends
from .chart import chart
from .environments import Environment
from .result import conditions, current_commit, result
from .rounds import run
from .table import heading, table
from .workload import Workload
from .workloads import WORKLOADS


def main() -> None:
    names = [workload.name for workload in WORKLOADS]
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("prefixes", nargs="*", metavar="PREFIX", help="only workloads whose names begin so: live")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="WORKLOAD", help=", ".join(names))
    parser.add_argument("--systems", nargs="+", metavar="NAME", help="only these, such as convexpy PgQueuer")
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is measured (5)")
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies jobs, samples and rows (1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure, the verdicts and the machine")
    parser.add_argument("--chart", type=Path, metavar="FILE", help="draw the medians, as SVG")
    wanted = parser.parse_args()

    prefixes = tuple(wanted.prefixes) or ("",)
    workloads = chosen([name for name in wanted.only if name.startswith(prefixes)], wanted.systems)
    if not workloads:
        parser.error("none of these workloads measures any of these systems")
    # SIGTERM also runs `finally`, which stops the servers.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    backends, commit = Backends(), current_commit()
    try:
        rows = run(
            workloads, backends, wanted.rounds, wanted.scale, lambda line: print(line, file=sys.stderr, flush=True)
        )
        data = {
            **conditions(backends, environments(workloads), commit),
            **result(workloads, rows, wanted.rounds, wanted.scale),
        }
    except KeyboardInterrupt:
        parser.exit(130, "stopped before the end: there is no result\n")
    finally:
        backends.close()
    print("\n".join(heading(data)))
    for workload in workloads:
        print("\n".join(["", *table(workload, rows[workload.name])]))
    if wanted.json:
        wanted.json.write_text(json.dumps(data, indent=1) + "\n", "utf-8")
    if wanted.chart:
        wanted.chart.write_text(chart(data), "utf-8")


def chosen(names: list[str], systems: list[str] | None) -> list[Workload]:
    """The workloads of these names, with the systems whose names have one of these prefixes."""
    found = []
    for workload in WORKLOADS:
        chosen_systems = workload.systems
        if systems is not None:
            prefixes = tuple(name.lower() for name in systems)
            chosen_systems = tuple(system for system in chosen_systems if system.name.lower().startswith(prefixes))
        if workload.name in names and chosen_systems:
            found.append(replace(workload, systems=chosen_systems))
    return found


def environments(workloads: list[Workload]) -> list[Environment]:
    found = [system.environment for workload in workloads for system in workload.systems if system.environment]
    return list(dict.fromkeys(found))


if __name__ == "__main__":
    main()
