"""``python -m tests.stress.chaos``: many processes, many faults. Exits 1 if a promise was broken."""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp
from types import FrameType

sys.path.insert(0, str(Path(__file__).parents[2]))  # as pytest does

from .nemesis import PAUSE_SECONDS, PlannedFault
from .run import RunOptions, carry_out
from .run_report import is_clean, report_on, show


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.stress.chaos", description=__doc__)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--minutes", type=float, default=5.0, help="how long faults strike")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of faults and calls")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--clients", type=int, default=2)
    parser.add_argument("--pause", type=float, default=PAUSE_SECONDS, help="seconds between two faults of a thread")
    parser.add_argument("--only", action="append", metavar="KIND", help="this kind of fault; may be repeated")
    parser.add_argument("--plan", type=Path, metavar="FILE", help="the faults of a run before, from its plan.jsonl")
    parser.add_argument("--together", action="store_true", help="all mutations share transactions")
    parser.add_argument("--far", action="store_true", help="claims begin where the last one ended (PostgreSQL)")
    parser.add_argument("--quiet-seconds", type=float, default=120.0, help="how soon all must be over")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="put the files here, and leave them")
    given = parser.parse_args(words)
    if given.far and given.database == "sqlite":
        parser.error("--far is for PostgreSQL: on SQLite every claim begins at the start of the queue")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    folder = given.keep or Path(mkdtemp(prefix="chaos-"))
    if given.keep and folder.exists() and any(folder.iterdir()):
        parser.error(f"{folder} is not empty; name another folder, or empty this one")
    options = RunOptions(
        database=given.database,
        seconds=given.minutes * 60,
        seed=given.seed,
        folder=folder,
        workers=given.workers,
        clients=given.clients,
        quiet_seconds=given.quiet_seconds,
        pause=given.pause,
        batch_everything=given.together,
        claim_ahead=given.far,
        only=tuple(given.only) if given.only else None,
        plan=tuple(read_plan(given.plan)) if given.plan else None,
    )
    report = report_on(options, carry_out(options))
    show(report)
    clean = is_clean(report)
    if given.keep or not clean:
        print(f"the files are in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if clean else 1


def read_plan(path: Path) -> Iterator[PlannedFault]:
    for line in path.read_text().splitlines():
        yield PlannedFault(**json.loads(line))


def interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
