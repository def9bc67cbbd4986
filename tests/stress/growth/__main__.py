"""A worker at full rate for as long as you like, on a database of its own: ``python -m tests.stress.growth --minutes 60``."""

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

from stress.growth.compare import beside, compare
from stress.growth.minute import Minute
from stress.growth.story import Wishes, place, play


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.stress.growth", description=__doc__)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="postgres")
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--minute", type=float, default=60.0, help="how many seconds a minute has")
    parser.add_argument("--retention", type=float, default=10.0, help="minutes until a finished job is forgotten")
    parser.add_argument(
        "--hold",
        type=int,
        nargs=2,
        metavar="N",
        default=(0, 0),
        help="a stranger's transaction is open in these minutes",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every minute")
    given = parser.parse_args(words)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    minutes: list[Minute] = []
    with place(given.database) as (url, folder):
        wishes = Wishes(given.minutes, given.minute, given.retention, tuple(given.hold))
        for minute in play(url, folder, wishes):
            minutes.append(minute)
            print(time.strftime("%H:%M:%S"), minute.line(), flush=True)
            if given.json:
                given.json.write_text(json.dumps([asdict(minute) for minute in minutes], indent=1) + "\n")
        print(time.strftime("%H:%M:%S"), compare(url, beside(url), folder, rounds=7, jobs=30_000).line(), flush=True)
    return 0


def interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
