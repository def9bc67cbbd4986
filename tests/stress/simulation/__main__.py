"""The long version: ``python -m tests.stress.simulation --seeds 10000``. It exits 1 at the first violation."""

from __future__ import annotations

import argparse
import sys
import time
from functools import cache

from tests.servers import shared

from .app import Base
from .play import Outcome, play


@cache
def template() -> shared.Template:
    return shared.Template(Base.metadata)


def play_on_postgres(seed: int) -> Outcome:
    """The same on a real server: one that the tests start, or that the environment names."""
    url = template().copy()
    try:
        return play(seed, url.render_as_string(hide_password=False))
    finally:
        shared.drop(url)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.stress.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many seeds to play")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL instead of SQLite")
    parser.add_argument("--show", action="store_true", help="print what happened, also where all is well")
    wanted = parser.parse_args()
    began, jobs, faults = time.monotonic(), 0, 0
    for number, seed in enumerate(range(wanted.first, wanted.first + wanted.seeds), 1):
        outcome = play_on_postgres(seed) if wanted.postgres else play(seed)
        jobs, faults = jobs + outcome.jobs, faults + outcome.faults
        if outcome.broken or wanted.show:
            print(outcome)
        if outcome.broken:
            print(f"seed {seed} breaks a promise. Again: python -m tests.stress.simulation --first {seed} --seeds 1")
            return 1
        if number % 100 == 0 or number == wanted.seeds:
            seconds = time.monotonic() - began
            figures = f"{number} seeds, {jobs} jobs, {faults} faults, {number / seconds:.1f} seeds/s"
            print(f"{time.strftime('%H:%M:%S')}  {figures}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
