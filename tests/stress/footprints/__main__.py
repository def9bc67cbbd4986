"""``python -m tests.stress.footprints --database postgres``: random queries and writes. Exits 1 if one was missed."""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[2]))

from servers.postgres import server

from convexpy import Convex
from convexpy.settings import Settings
from stress.footprints import no_functions
from stress.footprints.check import Check, Report
from stress.footprints.plants import PLANTS


def check_on(url: str, wanted: argparse.Namespace) -> int:
    began = time.monotonic()
    settings = Settings(sqlite_synchronous="NORMAL")

    def open_app() -> Convex:
        return Convex(url, functions=no_functions, settings=settings)

    with open_app() as convex:
        convex.migrate()
    shown, printed = [began], [0]

    def progress(report: Report) -> None:
        for text in report.misses[printed[0] :]:
            print(f"MISSED {text}", flush=True)
        printed[0] = len(report.misses)
        if time.monotonic() - shown[0] > 5:
            shown[0] = time.monotonic()
            print(f"{shown[0] - began:.0f} s: {report}", flush=True)

    report = Check(open_app, wanted.seed).run(wanted.rounds, progress, stop_at_miss=wanted.plant is not None)
    print(f"{time.monotonic() - began:.0f} s: {report}", flush=True)
    for title, counter in (("refused", report.errors), ("missed", report.missed_kinds)):
        for text, times in counter.most_common(wanted.show):
            print(f"  {title} {times}: {text}")
    if wanted.show > 10:
        for text, times in report.needless.most_common():
            print(f"  needless {times}: {text}")
    return len(report.misses)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.stress.footprints", description=__doc__)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--rounds", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=5)
    parser.add_argument("--plant", choices=tuple(PLANTS), help="a bug that must be found: exits 1 if it is")
    wanted = parser.parse_args()
    warnings.simplefilter("ignore")  # SQLAlchemy's, about what is strange in random statements
    if wanted.plant is not None:
        PLANTS[wanted.plant].plant()
    if wanted.database == "postgres":
        with server() as started:
            return 1 if check_on(started.url(), wanted) else 0
    with TemporaryDirectory() as folder:
        return 1 if check_on(f"sqlite:///{folder}/footprints.db", wanted) else 0


if __name__ == "__main__":
    sys.exit(main())
