"""``python -m tests.stress.live_log --database postgres``: is each commit found once? Exits 1 if one was not."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from stress.live_log.run import Options, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.stress.live_log", description=__doc__)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--commits", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=600.0, help="after these it goes on with fewer commits (600)")
    wanted = parser.parse_args()
    options = Options(wanted.database, wanted.commits, wanted.seed, wanted.seconds)
    verdict = run(options, lambda said: print(said, flush=True))
    for each in verdict.wrong[:20]:
        print(f"  WRONG {each}")
    return 1 if verdict.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
