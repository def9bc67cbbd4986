"""The long version: ``python -m tests.stress.faults``. It prints a table, and exits 1 if a promise was broken."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from . import full_disk, random_faults, strace, timings
from .checker import Verdict
from .shared_file import two_processes
from .steps import STEPS, kill_at
from .timings import Delays, percentile


class Tally:
    """The results of all parts, line by line."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str]] = []
        self.total = Verdict()
        self.faults = 0
        self.slowest = 0.0

    def add(self, what: str, verdict: Verdict, faults: int, seconds: float, figures: str = "") -> None:
        self.total.add(verdict)
        self.faults += faults
        self.slowest = max(self.slowest, seconds)
        counts = f"{faults} faults, {verdict.jobs} jobs, lost {verdict.lost}, doubled {verdict.doubled}, "
        state = f"stuck {verdict.stuck}, violations {len(verdict.broken)}, worst recovery {seconds:.2f} s"
        self.say(what, f"{counts}{state}{figures}")
        for text in verdict.broken[:5]:
            print(f"    BROKEN {text}", flush=True)

    def say(self, what: str, figures: str) -> None:
        self.rows.append((what, figures))
        print(f"{time.strftime('%H:%M:%S')}  {what}: {figures}", flush=True)

    def fail(self, text: str) -> None:
        self.total.broken.append(text)
        print(f"    BROKEN {text}", flush=True)


@contextmanager
def fresh_folder() -> Iterator[Path]:
    folder = Path(mkdtemp(prefix="faults-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)  # after an error it stays


def run_steps(tally: Tally, arguments: argparse.Namespace) -> None:
    """Kill at each step so many times."""
    fired_stations, all_rounds = 0, Verdict()
    worst = 0.0
    for step in STEPS:
        fired, verdict, slowest = 0, Verdict(), 0.0
        for _ in range(arguments.rounds):
            with fresh_folder() as folder:
                round = kill_at(step, folder)
            fired += round.fired
            verdict.add(round.verdict)
            slowest = max(slowest, round.recovery_seconds)
        tally.add(f"kill -9, {step}", verdict, fired, slowest)
        if fired < arguments.rounds:
            tally.fail(f"{step}: fired {fired} times of {arguments.rounds}")
        fired_stations += fired > 0
        all_rounds.add(verdict)
        worst = max(worst, slowest)
    tally.say(
        "steps",
        f"{len(STEPS)} steps, {fired_stations} fired {arguments.rounds} times each, "
        f"violations {len(all_rounds.broken)}, jobs {all_rounds.jobs}, worst recovery {worst:.2f} s",
    )


def run_syscalls(tally: Tally, arguments: argparse.Namespace) -> None:
    """Kill at each write and each fsync."""
    if not strace.is_possible():
        tally.say("kill -9 at every write and fsync", "not possible here: there is no strace")
        return
    for way in strace.WAYS:
        kills, verdict, began = 0, Verdict(), time.monotonic()
        with fresh_folder() as folder:
            for boundary in strace.boundaries(folder, way):
                kills += boundary.killed
                verdict.add(boundary.verdict)
        seconds = time.monotonic() - began
        tally.add(f"kill -9 at every write and fsync of {way}", verdict, kills, 0.0, f", took {seconds:.0f} s")


def run_random_faults(tally: Tally, arguments: argparse.Namespace) -> None:
    """Kill and freeze at random moments."""
    parts: list[tuple[str, Callable[[Path, int, int], random_faults.RandomFaultsResult], int]] = [
        ("kill -9 at random moments", random_faults.kills, arguments.kills),
        ("kill -9 at random moments beside a survivor", random_faults.kills_beside_a_survivor, arguments.kills),
        ("SIGSTOP past the heartbeat's timeout, then SIGCONT", random_faults.freezes, arguments.freezes),
    ]
    for what, strike, number in parts:
        with fresh_folder() as folder:
            given = strike(folder, number, arguments.seed)
        tally.add(what, given.verdict, number, given.calm_seconds, f", {dict(given.verdict.states)}")


def run_shared_file(tally: Tally, arguments: argparse.Namespace) -> None:
    """Two processes on one file."""
    with fresh_folder() as folder:
        result = two_processes(folder, arguments.jobs)
    calls = [seconds * 1000 for seconds in result.call_seconds]
    figures = (
        f", split {result.split}, {arguments.jobs / result.seconds:.0f} jobs/s in {result.seconds:.1f} s, "
        f"calls meanwhile p50 {percentile(calls, 50):.0f} max {percentile(calls, 100):.0f} ms"
    )
    tally.add("two processes on one file", result.verdict, 0, 0.0, figures)
    if len(result.verdict.processes) != 2:
        tally.fail("only one of the two processes did anything")


def run_full_disk(tally: Tally, arguments: argparse.Namespace) -> None:
    """A disk that is really full."""
    with fresh_folder() as folder:
        outcome = full_disk.run_apart(folder)
    tally.say("a full disk (tmpfs)", outcome)
    if outcome.startswith("WRONG"):
        tally.fail(outcome)


def run_measures(tally: Tally, arguments: argparse.Namespace) -> None:
    """How soon jobs start, and what an idle process costs."""
    with fresh_folder() as folder:
        tally.say("COMMIT to first line, idle process", str(timings.delays_when_idle(folder, arguments.orders)))
    for what, slow, blocking in (
        ("100 slow actions", 100, False),
        ("40 slow actions and one that blocks the event loop", 40, True),
    ):
        with fresh_folder() as folder:
            result = timings.delays_beside_slow_actions(folder, arguments.orders, slow=slow, blocking=blocking)
        crons = f"cron slots {len(result.cron_delays)}, worst {max(result.cron_delays) * 1000:.0f} ms late"
        crons += f", skipped {result.skipped_slots}"
        figures = f"{Delays(result.delays, [])}; {crons}; {result.running} actions at once"
        tally.say(f"COMMIT to first line beside {what}", figures)
    with fresh_folder() as folder:
        idle = timings.idle_cost(folder, arguments.idle)
    tally.say(f"an idle process over {arguments.idle:g} s", str(idle))
    if idle.queries >= arguments.idle:
        tally.fail(f"an idle process asks {idle}")


PARTS = {
    "steps": run_steps,
    "syscalls": run_syscalls,
    "random": run_random_faults,
    "shared": run_shared_file,
    "disk": run_full_disk,
    "measures": run_measures,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.stress.faults", description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="one part; may be given more than once")
    parser.add_argument("--rounds", type=int, default=20, help="kills at each step")
    parser.add_argument("--kills", type=int, default=100, help="kills at random moments")
    parser.add_argument("--freezes", type=int, default=30, help="freezes at random moments")
    parser.add_argument("--jobs", type=int, default=5000, help="jobs for two processes")
    parser.add_argument("--orders", type=int, default=300, help="jobs whose delay is taken")
    parser.add_argument("--idle", type=float, default=20.0, help="seconds of doing nothing")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    tally, began = Tally(), time.monotonic()
    print(f"seed {arguments.seed}", flush=True)
    for name in arguments.only or PARTS:
        PARTS[name](tally, arguments)
    width = max(len(what) for what, _ in tally.rows)
    print("\n" + "\n".join(f"{what:<{width}}  {figures}" for what, figures in tally.rows))
    total = tally.total
    print(
        f"\n{tally.faults} faults, {total.jobs} jobs, lost {total.lost}, doubled {total.doubled}, stuck {total.stuck}, "
        f"violations {len(total.broken)}, worst recovery {tally.slowest:.2f} s, took {time.monotonic() - began:.0f} s, "
        f"seed {arguments.seed}"
    )
    return 1 if total.broken else 0


if __name__ == "__main__":
    sys.exit(main())
