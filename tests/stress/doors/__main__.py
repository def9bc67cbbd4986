"""``python -m tests.stress.doors --database postgres``: nonsense over sockets and HTTP.

Exits 1 if the server fails, keeps memory, or does not serve a client that behaves.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from stress.doors.run import Options, run
from stress.sockets.run import SERVERS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.stress.doors", description=__doc__)
    parser.add_argument("--database", choices=tuple(SERVERS), default="sqlite")
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=600.0, help="after these it goes on with fewer (600)")
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    options = Options(wanted.database, wanted.frames, wanted.seconds, wanted.seed)
    wrong = run(options, lambda said: print(said, flush=True))
    if wrong is not None:
        print(f"WRONG {wrong}")
    return 0 if wrong is None else 1


if __name__ == "__main__":
    sys.exit(main())
