"""``python -m tests.stress.sockets --database postgres``: mutations and subscriptions through sockets, under faults.

Exits 1 with the history of the first thing that is wrong.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from stress.sockets.run import SERVERS, Options, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.stress.sockets", description=__doc__)
    parser.add_argument("--database", choices=tuple(SERVERS), default="sqlite")
    parser.add_argument("--subscribers", type=int, default=100)
    parser.add_argument("--mutations", type=int, default=20_000)
    parser.add_argument(
        "--seconds", type=float, default=600.0, help="after these it goes on with fewer mutations (600)"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-faults", action="store_true", help="let the network and the servers be")
    wanted = parser.parse_args()
    options = Options(
        database=wanted.database,
        subscribers=wanted.subscribers,
        mutations=wanted.mutations,
        seconds=wanted.seconds,
        seed=wanted.seed,
        faults=not wanted.no_faults,
    )
    wrong = run(options, lambda said: print(said, flush=True))
    if wrong is not None:
        print(f"WRONG {wrong}")
    return 0 if wrong is None else 1


if __name__ == "__main__":
    sys.exit(main())
