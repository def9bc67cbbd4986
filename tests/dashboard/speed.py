"""How fast the dashboard is beside many jobs, and what it costs them.

    python -m tests.dashboard.speed --database sqlite
    python -m tests.dashboard.speed --database postgres --finished 1000000 --pending 100000 --rate 500

A server of the tea shop has so many jobs, and a process schedules so many more a second. Chromium opens the dashboard.
"""

from __future__ import annotations

import argparse
import signal
import statistics
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]  # as pytest does

from playwright.sync_api import sync_playwright  # noqa: E402
from support.chromium import ARGUMENTS, find_chromium  # noqa: E402

from .demo import database_of  # noqa: E402
from .demo_server import DemoServer  # noqa: E402
from .feeder import Feeder, drained, opened  # noqa: E402
from .many_jobs import write_many  # noqa: E402
from .measured_tab import MeasuredTab  # noqa: E402
from .pages import NAMES  # noqa: E402
from .subscribed import Subscriptions, query_times  # noqa: E402


@dataclass(frozen=True)
class Result:
    """A figure and its goal."""

    name: str
    value: float
    unit: str
    goal: float
    at_least: bool = False

    @property
    def is_met(self) -> bool:
        return self.value >= self.goal if self.at_least else self.value <= self.goal

    def __str__(self) -> str:
        sign = "≥" if self.at_least else "≤"
        verdict = "ok" if self.is_met else "MISSED"
        return f"{self.name:44} {self.value:9.2f} {self.unit:3} (goal {sign} {self.goal:g})  {verdict}"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.dashboard.speed", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--database", default="sqlite", help="sqlite, postgres, or a URL (sqlite)")
    parser.add_argument("--finished", type=int, default=1_000_000, help="finished jobs (1,000,000)")
    parser.add_argument("--pending", type=int, default=100_000, help="jobs that wait for later (100,000)")
    parser.add_argument("--rate", type=int, default=500, help="jobs a second meanwhile (500)")
    parser.add_argument("--drained", type=int, default=10_000, help="jobs of a measurement of throughput (10,000)")
    parser.add_argument("--rounds", type=int, default=3, help="how often throughput is measured (3)")
    wanted = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that its server ends with it
    results = measure(wanted)
    print("\n".join(map(str, results)))
    sys.exit(0 if all(result.is_met for result in results) else 1)


def measure(wanted: argparse.Namespace) -> list[Result]:
    """Fill a database, serve it, and look."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="teashop-")))
        url = stack.enter_context(database_of(wanted.database, folder))
        server = DemoServer(folder, url, jobs=400, more=HERE / "load_functions.py")
        fill_more(server, wanted.finished, wanted.pending)
        stack.enter_context(server)
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=[*ARGUMENTS])
        stack.callback(browser.close)
        tab = MeasuredTab(browser, server)
        say("looking, with jobs running")
        with Feeder(server, wanted.rate):
            results = looked_at(tab, server)
        tab.close()
        results += throughput(server, tab.subscriptions, wanted.drained, wanted.rounds)
    return results


def fill_more(server: DemoServer, finished: int, pending: int) -> None:
    began = time.monotonic()
    with opened(server) as convex, convex.database.ddl() as connection:
        write_many(connection, finished, pending, convex.clock.now())
    say(f"{finished:,} finished and {pending:,} pending jobs stored in {time.monotonic() - began:.0f} s")


def looked_at(tab: MeasuredTab, server: DemoServer) -> list[Result]:
    """What a visitor waits for, and what the pages' queries take."""
    paints, rows = zip(*(tab.first_paint() for _ in range(5)), strict=True)
    results = [
        Result("first paint, median of 5", statistics.median(paints), "ms", 1_000),
        Result("first lines of the list, median of 5", statistics.median(rows), "ms", 1_000),
    ]
    for name, text in (("by function", "function:orders:charge"), ("by state", "state:failed")):
        results.append(Result(f"a filter {name}, median of 5", tab.filtered(text), "ms", 300))
    say("\n".join(map(str, results)))
    longest, late = tab.scrolled()
    results.append(Result("scrolling: the longest frame", longest, "ms", 50))
    results.append(Result("scrolling: frames over 50 ms", late, "", 0))
    for name in NAMES:
        tab.visit(name)
    for path, milliseconds in query_times(server, tab.subscriptions).items():
        p99 = statistics.quantiles(milliseconds, n=100, method="inclusive")[98]
        results.append(Result(f"p99 of {path}", p99, "ms", 50))
    return results


def throughput(server: DemoServer, subscriptions: Subscriptions, jobs: int, rounds: int) -> list[Result]:
    """Jobs a second with the dashboard's subscriptions open, against without. They take turns."""
    without, beside = [], []
    drained(server, jobs // 4)  # what compiles and loads has done so
    for _ in range(rounds):
        without.append(drained(server, jobs))
        with subscriptions.open(server, page="schedules"):
            beside.append(drained(server, jobs))
    say(f"jobs a second without {[round(each) for each in without]}, beside {[round(each) for each in beside]}")
    ratio = statistics.median(beside) / statistics.median(without)
    return [Result("jobs a second, beside against without", ratio, "x", 0.95, at_least=True)]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
