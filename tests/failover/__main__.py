"""The long version: ``python -m tests.failover``. It prints a line a failover, and exits 1 if a promise broke."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[1]))  # as pytest does

from faults.process import wait_until

from failover.pair import pair
from failover.story import run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.failover", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how many failovers")
    parser.add_argument("--orders", type=int, default=100, help="how many orders before and after each")
    arguments = parser.parse_args()
    broken = 0
    for number in range(1, arguments.rounds + 1):
        with TemporaryDirectory(prefix="failover-") as folder, pair(synchronous=True) as servers:
            wait_until(servers.is_synchronous, "a synchronous standby")
            it = run(servers, Path(folder), arguments.orders)
        verdict = it.verdict
        broken += len(verdict.broken)
        print(
            f"{time.strftime('%H:%M:%S')}  failover {number}: {len(it.told.acknowledged)} orders acknowledged, "
            f"{sum(it.told.failed.values())} not; {verdict.jobs} jobs, {it.pending} of them unfinished at the stop; "
            f"lost {verdict.lost}, doubled {verdict.doubled}, stuck {verdict.stuck}, "
            f"violations {len(verdict.broken)}; {dict(verdict.states)}; next order after {it.outage:.1f} s",
            flush=True,
        )
        for text in verdict.broken[:5]:
            print(f"    BROKEN {text}", flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
