"""``python -m tests.stress.growth --minutes 60``: a worker at full rate, on a database of its own."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path
from types import FrameType

sys.path.insert(0, str(Path(__file__).parents[2]))  # as pytest does

from stress.growth.compare import compare, new_database_beside
from stress.growth.growth_run import GrowthOptions, open_database, run_minutes
from stress.growth.minute import Minute


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.stress.growth", description=__doc__)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="postgres")
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--minute", type=float, default=60.0, help="how many seconds a minute has")
    parser.add_argument("--retention", type=float, default=10.0, help="minutes until a finished job is purged")
    parser.add_argument(
        "--hold",
        type=int,
        nargs=2,
        metavar="N",
        default=(0, 0),
        help="another client's transaction is open in these minutes",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every minute")
    given = parser.parse_args(words)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    minutes: list[Minute] = []
    with open_database(given.database) as (url, folder):
        options = GrowthOptions(given.minutes, given.minute, given.retention, tuple(given.hold))
        for minute in run_minutes(url, folder, options):
            minutes.append(minute)
            print(time.strftime("%H:%M:%S"), minute.line(), flush=True)
            if given.json:
                given.json.write_text(json.dumps([asdict(minute) for minute in minutes], indent=1) + "\n")
        print(
            time.strftime("%H:%M:%S"),
            compare(url, new_database_beside(url), folder, rounds=7, jobs=30_000).line(),
            flush=True,
        )
    return 0


def interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
