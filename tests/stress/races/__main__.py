"""``python -m tests.stress.races --database postgres``: very many races, counted. Exits 1 if one answer was wrong."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[2]))

from servers.postgres import server

from convexpy import Convex
from convexpy.settings import Settings
from stress.races import app
from stress.races.race import run_races


def race_on(url: str, wanted: argparse.Namespace) -> int:
    broken = 0
    settings = Settings(sqlite_synchronous="NORMAL")
    with Convex(url, functions=app, metadata=app.Base.metadata, settings=settings) as convex:
        convex.migrate()
        with convex.database.ddl() as connection:
            app.Base.metadata.create_all(connection)
        for kind, number in (("mutation", wanted.races * 4 // 5), ("action", wanted.races // 5)):
            races = run_races(convex, kind, number, wanted.threads, wanted.seed, lambda text: print(text, flush=True))
            counts = ", ".join(f"{outcome}: {count}" for outcome, count in sorted(races.outcomes.items()))
            total, took = races.outcomes.total(), f"{races.seconds:.0f} s"
            print(f"{total} races with {kind}s in {took}, {len(races.broken)} broken. {counts}", flush=True)
            for text in races.broken[:10]:
                print(f"  BROKEN {text}")
            broken += len(races.broken)
    return broken


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.stress.races", description=__doc__)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--races", type=int, default=100_000)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    if wanted.database == "postgres":
        with server() as started:
            return 1 if race_on(started.url(), wanted) else 0
    with TemporaryDirectory() as folder:
        return 1 if race_on(f"sqlite:///{folder}/races.db", wanted) else 0


if __name__ == "__main__":
    sys.exit(main())
