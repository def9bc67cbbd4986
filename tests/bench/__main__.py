"""Run every workload for convexpy, its peers and the bare drivers in turn, several times over, and compare them."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # as pytest does

from .environments import Environment
from .picture import picture
from .result import circumstances, current_commit, result
from .rounds import run
from .stage import Stage
from .table import heading, table
from .workloads import WORKLOADS, Workload


def main() -> None:
    names = [workload.name for workload in WORKLOADS]
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="WORKLOAD", help=", ".join(names))
    parser.add_argument("--contestants", nargs="+", metavar="NAME", help="only these, such as convexpy PgQueuer")
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is measured (5)")
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies jobs, samples and rows (1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure, the verdicts and the machine")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw the medians, as SVG")
    wanted = parser.parse_args()

    workloads = chosen(wanted.only, wanted.contestants)
    if not workloads:
        parser.error("none of these contestants takes part in any of these workloads")
    # Whoever asks it to end shall not leave servers behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    stage, commit = Stage(), current_commit()
    try:
        rows = run(workloads, stage, wanted.rounds, wanted.scale, lambda line: print(line, file=sys.stderr, flush=True))
        data = {
            **circumstances(stage, environments(workloads), commit),
            **result(workloads, rows, wanted.rounds, wanted.scale),
        }
    except KeyboardInterrupt:
        parser.exit(130, "stopped before the end: there is no result\n")
    finally:
        stage.close()
    print("\n".join(heading(data)))
    for workload in workloads:
        print("\n".join(["", *table(workload, rows[workload.name])]))
    if wanted.json:
        wanted.json.write_text(json.dumps(data, indent=1) + "\n", "utf-8")
    if wanted.picture:
        wanted.picture.write_text(picture(data), "utf-8")


def chosen(names: list[str], contestants: list[str] | None) -> list[Workload]:
    """The workloads of these names, with the contestants whose names begin like these."""
    found = []
    for workload in WORKLOADS:
        everybody = workload.contestants
        if contestants is not None:
            begin = tuple(name.lower() for name in contestants)
            everybody = tuple(who for who in everybody if who.name.lower().startswith(begin))
        if workload.name in names and everybody:
            found.append(replace(workload, contestants=everybody))
    return found


def environments(workloads: list[Workload]) -> list[Environment]:
    found = {who.environment.name: who.environment for w in workloads for who in w.contestants if who.environment}
    return list(found.values())


if __name__ == "__main__":
    main()
