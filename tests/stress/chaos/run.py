"""One run: processes come up, faults strike, everything comes to rest, and what is left is written down."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from .append_history import write_history
from .nemesis import PAUSE_SECONDS, FaultKind, Nemesis, PlannedFault, draw
from .process_config import SETTINGS, ProcessConfig
from .processes import ProcessGroup
from .targets import Targets

Database = Literal["sqlite", "postgres"]
PROGRESS_SECONDS: Final = 5.0
LAST_FAULT_SECONDS: Final = 90.0


@dataclass(frozen=True)
class RunOptions:
    """What a run is asked for."""

    database: Database
    seconds: float
    seed: int
    folder: Path
    workers: int = 3
    clients: int = 2
    quiet_seconds: float = 120.0
    pause: float = PAUSE_SECONDS
    # Only faults of these kinds; None means all.
    only: tuple[str, ...] | None = None
    plan: tuple[PlannedFault, ...] | None = None
    silent: bool = False
    # Mutations share transactions, whatever their latest runs were like.
    batch_everything: bool = False
    # On PostgreSQL, claims begin where the last one ended.
    claim_ahead: bool = False


@dataclass
class Outcome:
    """What a run saw with its own eyes; what the checkers see comes later."""

    fired: dict[str, int] = field(default_factory=dict)
    missed: dict[str, int] = field(default_factory=dict)
    quiet_after: float | None = None
    problems: list[str] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0


@contextmanager
def targets_of(options: RunOptions) -> Iterator[tuple[Targets, list[FaultKind]]]:
    """The database, the network and the processes of a run, and the faults that can strike them."""
    if options.database == "postgres":
        from .postgres_setup import postgres_setup as setup
    else:
        from .sqlite_setup import sqlite_setup as setup
    with setup(options) as (database, urls, kinds, more), ExitStack() as ends:
        database.prepare()

        def config_of(name: str, crons: bool = True) -> ProcessConfig:
            return ProcessConfig(
                name=name,
                url=urls(name.partition("-")[0]),
                folder=options.folder,
                seed=str(options.seed),
                threads=2 if options.database == "postgres" else 1,
                crons=crons,
                batch_everything=options.batch_everything,
                claim_ahead=options.claim_ahead,
            )

        workers = ProcessGroup("worker", options.workers, config_of)
        ends.callback(workers.end)
        clients = ProcessGroup("client", options.clients, config_of)
        ends.callback(clients.end)
        targets = Targets(database, workers, clients, calm_config=lambda name: config_of(name, crons=False), **more)
        ends.callback(targets.over.set)
        yield targets, kinds


def carry_out(options: RunOptions) -> Outcome:
    """Do all of it. The files are in the folder of the options afterwards."""
    began = time.monotonic()
    outcome = Outcome(settings=dict(SETTINGS))
    with targets_of(options) as (targets, kinds):
        chosen = [kind for kind in kinds if options.only is None or kind.name in options.only]
        targets.workers.wait_until_ready()
        targets.clients.wait_until_ready()
        nemesis = Nemesis(targets, chosen, plan_of(options, chosen), options.seconds)
        report_progress(targets, nemesis, options)
        outcome.fired, outcome.missed = dict(nemesis.fired), dict(nemesis.missed)
        outcome.problems += [f"the fault {kind!r} never struck" for kind, times in nemesis.fired.items() if not times]
        come_to_rest(targets, options, outcome)
        outcome.problems += targets.database.problems()
        outcome.versions = targets.database.versions()
        targets.database.dump()
        outcome.problems += targets.problems
    write_history(options.folder)
    outcome.seconds = time.monotonic() - began
    return outcome


def plan_of(options: RunOptions, kinds: Sequence[FaultKind]) -> list[PlannedFault]:
    """The plan that was given, or one from the seed; written down so that it can be given again."""
    plan = list(options.plan) if options.plan else draw(kinds, options.seed, options.seconds, options.pause)
    path = options.folder / "plan.jsonl"
    path.write_text("".join(f"{fault}\n" for fault in plan), encoding="utf-8")
    say(options, f"{len(plan)} faults are planned for {options.seconds:g} s by the seed {options.seed}: {path}")
    return plan


def report_progress(targets: Targets, nemesis: Nemesis, options: RunOptions) -> None:
    """Let the faults strike, and say every few seconds how it goes."""
    began, database = time.monotonic(), targets.database
    deadline = began + options.seconds + LAST_FAULT_SECONDS
    nemesis.start()
    while not nemesis.wait(PROGRESS_SECONDS) or time.monotonic() < began + options.seconds:
        passed = time.monotonic() - began
        faults = f"{sum(nemesis.fired.values())} faults, {sum(nemesis.missed.values())} missed"
        say(
            options,
            f"{passed:6.0f} s  {faults}, {database.finished()} jobs over, {database.waiting()} not",
        )
        if time.monotonic() >= deadline:
            targets.problems.append(f"the plan was not carried out {LAST_FAULT_SECONDS:g} s after its end")
            targets.over.set()
            return


def come_to_rest(targets: Targets, options: RunOptions, outcome: Outcome) -> None:
    """No more faults, no more calls: everything must be over within a bound, by the workers that lived through it."""
    targets.heal()
    killed = targets.clients.stop()
    outcome.problems += [f"the client {name} did not stop" for name in killed]
    began = time.monotonic()
    if not became(lambda: targets.database.unfinished() == 0, options.quiet_seconds):
        left = f"{targets.database.unfinished()} jobs were not over after {options.quiet_seconds:g} s"
        outcome.problems += [left, *targets.database.what_is_left()]
    else:
        outcome.quiet_after = time.monotonic() - began
        say(options, f"quiet {outcome.quiet_after:.1f} s after the last fault")
    targets.database.save_crons()
    outcome.problems += [f"the worker {name} did not stop" for name in targets.workers.stop()]
    finish_crons(targets, outcome)


def finish_crons(targets: Targets, outcome: Outcome) -> None:
    """A worker without crons runs what the crons have left, and then there is nothing."""
    last = ProcessGroup("worker", 1, lambda name: targets.calm_config(f"{name.partition('-')[0]}-last"))
    try:
        last.wait_until_ready()
        if not became(lambda: targets.database.waiting() == 0, 30.0):
            outcome.problems.append(f"{targets.database.waiting()} jobs of crons were not over after 30 s")
        outcome.problems += [f"the worker {name} did not stop" for name in last.stop()]
    finally:
        last.end()


def became(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def say(options: RunOptions, text: str) -> None:
    if not options.silent:
        print(f"{time.strftime('%H:%M:%S')} {options.database:>8}  {text}", flush=True)
