"""The long version: ``python -m tests.stress.failover``. It prints a line a failover, and exits 1 if a promise broke.

With ``--lagging`` the standby misses the last of the orders, and they must be seen to be lost: a test of the judge.
With ``--hosts`` every server and every worker is on a machine of its own, and the primary loses its network.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[2]))  # as pytest does

from stress.failover.failover_run import WORKERS, FailoverResult, run
from stress.failover.network import hosts, why_not
from stress.failover.pair import pair
from stress.faults.child_process import wait_until

IN_NAMESPACE = "CONVEXPY_TEST_IN_A_NAMESPACE"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.stress.failover", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how many failovers")
    parser.add_argument("--orders", type=int, default=100, help="how many orders before and after each")
    parser.add_argument("--lagging", action="store_true", help="to a standby that is behind: exits 0 if that is seen")
    parser.add_argument("--hosts", action="store_true", help="on machines of their own (network namespaces; root)")
    arguments = parser.parse_args()
    if arguments.hosts and IN_NAMESPACE not in os.environ:
        if reason := why_not():
            print(f"not possible here: {reason}")
            return 2
        again = ["unshare", "--net", sys.executable, "-m", "tests.stress.failover", *sys.argv[1:]]
        os.execvpe("unshare", again, {**os.environ, IN_NAMESPACE: "yes"})
    broken = 0
    for number in range(1, arguments.rounds + 1):
        it = one_round(arguments.orders, on_hosts=arguments.hosts, lagging=arguments.lagging)
        verdict = it.verdict
        broken += len(verdict.broken)
        print(
            f"{time.strftime('%H:%M:%S')}  failover {number}: {len(it.calls.acknowledged)} orders acknowledged, "
            f"{sum(it.calls.failed.values())} not; {verdict.jobs} jobs, {it.pending} of them unfinished at the stop; "
            f"lost {verdict.lost}, doubled {verdict.doubled}, stuck {verdict.stuck}, "
            f"violations {len(verdict.broken)}; {dict(verdict.states)}; next order after {it.outage:.1f} s",
            flush=True,
        )
        for text in verdict.broken[:5]:
            print(f"    BROKEN {text}", flush=True)
    return 1 if bool(broken) is not arguments.lagging else 0


def one_round(orders: int, *, on_hosts: bool, lagging: bool) -> FailoverResult:
    """Two servers and the workers, and one failover between them."""
    with (
        TemporaryDirectory(prefix="failover-") as folder,
        hosts(2 + WORKERS if on_hosts else 0) as machines,
        pair(synchronous=not lagging, machines=machines[:2]) as servers,
    ):
        if not lagging:
            wait_until(servers.is_synchronous, "a synchronous standby")
        return run(servers, Path(folder), orders, behind=lagging, machines=machines[2:])


if __name__ == "__main__":
    sys.exit(main())
