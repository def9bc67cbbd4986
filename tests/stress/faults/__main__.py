"""The long version: ``python -m tests.stress.faults``. It prints as it goes, then a table, and exits 1 if a promise broke."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from . import full_disk, measures, storm, syscalls
from .checker import Verdict
from .crowd import two_processes
from .measures import Delays, percentile
from .stations import STATIONS, kill_at


class Tally:
    """What all parts gave, line by line."""

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
    shutil.rmtree(folder, ignore_errors=True)  # what raised stays, to be looked at


def run_stations(tally: Tally, arguments: argparse.Namespace) -> None:
    """Kill at each station so many times."""
    fired_stations, all_rounds = 0, Verdict()
    worst = 0.0
    for station in STATIONS:
        fired, verdict, slowest = 0, Verdict(), 0.0
        for _ in range(arguments.rounds):
            with fresh_folder() as folder:
                round = kill_at(station, folder)
            fired += round.fired
            verdict.add(round.verdict)
            slowest = max(slowest, round.recovery_seconds)
        tally.add(f"kill -9, {station}", verdict, fired, slowest)
        if fired < arguments.rounds:
            tally.fail(f"{station}: fired {fired} times of {arguments.rounds}")
        fired_stations += fired > 0
        all_rounds.add(verdict)
        worst = max(worst, slowest)
    tally.say(
        "stations",
        f"{len(STATIONS)} stations, {fired_stations} fired {arguments.rounds} times each, "
        f"violations {len(all_rounds.broken)}, jobs {all_rounds.jobs}, worst recovery {worst:.2f} s",
    )


def run_syscalls(tally: Tally, arguments: argparse.Namespace) -> None:
    """Kill at each write and each fsync."""
    if not syscalls.is_possible():
        tally.say("kill -9 at every write and fsync", "not possible here: there is no strace")
        return
    for way in syscalls.WAYS:
        kills, verdict, began = 0, Verdict(), time.monotonic()
        with fresh_folder() as folder:
            for boundary in syscalls.boundaries(folder, way):
                kills += boundary.killed
                verdict.add(boundary.verdict)
        seconds = time.monotonic() - began
        tally.add(f"kill -9 at every write and fsync of {way}", verdict, kills, 0.0, f", took {seconds:.0f} s")


def run_storms(tally: Tally, arguments: argparse.Namespace) -> None:
    """Kill and freeze at random moments."""
    parts: list[tuple[str, Callable[[Path, int, int], storm.Storm], int]] = [
        ("kill -9 at random moments", storm.kills, arguments.kills),
        ("kill -9 at random moments beside a survivor", storm.kills_beside_a_survivor, arguments.kills),
        ("SIGSTOP past the heartbeat's timeout, then SIGCONT", storm.freezes, arguments.freezes),
    ]
    for what, blow, number in parts:
        with fresh_folder() as folder:
            given = blow(folder, number, arguments.seed)
        tally.add(what, given.verdict, number, given.calm_seconds, f", {dict(given.verdict.states)}")


def run_crowd(tally: Tally, arguments: argparse.Namespace) -> None:
    """Two processes on one file."""
    with fresh_folder() as folder:
        crowd = two_processes(folder, arguments.jobs)
    calls = [seconds * 1000 for seconds in crowd.call_seconds]
    figures = (
        f", split {crowd.split}, {arguments.jobs / crowd.seconds:.0f} jobs/s in {crowd.seconds:.1f} s, "
        f"calls meanwhile p50 {percentile(calls, 50):.0f} max {percentile(calls, 100):.0f} ms"
    )
    tally.add("two processes on one file", crowd.verdict, 0, 0.0, figures)
    if len(crowd.verdict.processes) != 2:
        tally.fail("only one of the two processes did anything")


def run_full_disk(tally: Tally, arguments: argparse.Namespace) -> None:
    """A disk that is really full."""
    with fresh_folder() as folder:
        said = full_disk.run_apart(folder)
    tally.say("a full disk (tmpfs)", said)
    if said.startswith("WRONG"):
        tally.fail(said)


def run_measures(tally: Tally, arguments: argparse.Namespace) -> None:
    """How soon jobs start, and what an idle process costs."""
    with fresh_folder() as folder:
        tally.say("COMMIT to first line, idle process", str(measures.delays_when_idle(folder, arguments.orders)))
    for what, slow, blocking in (
        ("100 slow actions", 100, False),
        ("40 slow actions and one that blocks the event loop", 40, True),
    ):
        with fresh_folder() as folder:
            crowded = measures.delays_beside_slow_actions(folder, arguments.orders, slow=slow, blocking=blocking)
        crons = f"cron slots {len(crowded.cron_delays)}, worst {max(crowded.cron_delays) * 1000:.0f} ms late"
        crons += f", skipped {crowded.skipped_slots}"
        figures = f"{Delays(crowded.delays, [])}; {crons}; {crowded.running} actions at once"
        tally.say(f"COMMIT to first line beside {what}", figures)
    with fresh_folder() as folder:
        idle = measures.idle_cost(folder, arguments.idle)
    tally.say(f"an idle process over {arguments.idle:g} s", str(idle))
    if idle.queries >= arguments.idle:
        tally.fail(f"an idle process asks {idle}")


PARTS = {
    "stations": run_stations,
    "syscalls": run_syscalls,
    "storms": run_storms,
    "crowd": run_crowd,
    "disk": run_full_disk,
    "measures": run_measures,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.stress.faults", description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="one part; may be given more than once")
    parser.add_argument("--rounds", type=int, default=20, help="kills at each station")
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
