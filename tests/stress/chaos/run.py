"""One run: processes come up, faults strike, everything comes to rest, and what is left is written down."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from .crew import Crew
from .history import write_history
from .nemesis import PAUSE_SECONDS, Blow, Kind, Nemesis, draw
from .orders import SETTINGS, Orders
from .scene import Scene

Database = Literal["sqlite", "postgres"]
PROGRESS_SECONDS: Final = 5.0
LAST_FAULT_SECONDS: Final = 90.0


@dataclass(frozen=True)
class Wishes:
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
    plan: tuple[Blow, ...] | None = None
    silent: bool = False
    # Mutations share transactions, whatever they are like.
    together: bool = False
    # Claims begin where the last one ended.
    far: bool = False


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
def scene_of(wishes: Wishes) -> Iterator[tuple[Scene, list[Kind]]]:
    """The database, the network and the processes of a run, and the faults that can strike them."""
    if wishes.database == "postgres":
        from .postgres_stage import postgres_stage as stage
    else:
        from .sqlite_stage import sqlite_stage as stage
    with stage(wishes) as (place, urls, kinds, more), ExitStack() as ends:
        place.prepare()

        def orders_of(name: str, crons: bool = True) -> Orders:
            return Orders(
                name=name,
                url=urls(name.partition("-")[0]),
                folder=wishes.folder,
                seed=str(wishes.seed),
                threads=2 if wishes.database == "postgres" else 1,
                crons=crons,
                together=wishes.together,
                far=wishes.far,
            )

        workers = Crew("worker", wishes.workers, orders_of)
        ends.callback(workers.end)
        clients = Crew("client", wishes.clients, orders_of)
        ends.callback(clients.end)
        scene = Scene(place, workers, clients, calm_orders=lambda name: orders_of(name, crons=False), **more)
        ends.callback(scene.over.set)
        yield scene, kinds


def carry_out(wishes: Wishes) -> Outcome:
    """Do all of it. The files are in the folder of the wishes afterwards."""
    began = time.monotonic()
    outcome = Outcome(settings=dict(SETTINGS))
    with scene_of(wishes) as (scene, kinds):
        chosen = [kind for kind in kinds if wishes.only is None or kind.name in wishes.only]
        scene.workers.wait_until_ready()
        scene.clients.wait_until_ready()
        nemesis = Nemesis(scene, chosen, plan_of(wishes, chosen), wishes.seconds)
        report_progress(scene, nemesis, wishes)
        outcome.fired, outcome.missed = dict(nemesis.fired), dict(nemesis.missed)
        outcome.problems += [f"the fault {kind!r} never struck" for kind, times in nemesis.fired.items() if not times]
        come_to_rest(scene, wishes, outcome)
        outcome.problems += scene.place.problems()
        outcome.versions = scene.place.versions()
        scene.place.dump()
        outcome.problems += scene.complaints
    write_history(wishes.folder)
    outcome.seconds = time.monotonic() - began
    return outcome


def plan_of(wishes: Wishes, kinds: Sequence[Kind]) -> list[Blow]:
    """The plan that was given, or one from the seed; written down so that it can be given again."""
    plan = list(wishes.plan) if wishes.plan else draw(kinds, wishes.seed, wishes.seconds, wishes.pause)
    path = wishes.folder / "plan.jsonl"
    path.write_text("".join(f"{blow}\n" for blow in plan), encoding="utf-8")
    say(wishes, f"{len(plan)} faults are planned for {wishes.seconds:g} s by the seed {wishes.seed}: {path}")
    return plan


def report_progress(scene: Scene, nemesis: Nemesis, wishes: Wishes) -> None:
    """Let the faults strike, and say every few seconds how it goes."""
    began = time.monotonic()
    deadline = began + wishes.seconds + LAST_FAULT_SECONDS
    nemesis.start()
    while not nemesis.wait(PROGRESS_SECONDS) or time.monotonic() < began + wishes.seconds:
        passed = time.monotonic() - began
        faults = f"{sum(nemesis.fired.values())} faults, {sum(nemesis.missed.values())} missed"
        say(wishes, f"{passed:6.0f} s  {faults}, {scene.place.finished()} jobs over, {scene.place.waiting()} not")
        if time.monotonic() >= deadline:
            scene.complaints.append(f"the plan was not carried out {LAST_FAULT_SECONDS:g} s after its end")
            scene.over.set()
            return


def come_to_rest(scene: Scene, wishes: Wishes, outcome: Outcome) -> None:
    """No more faults, no more calls: everything must be over within a bound, by the workers that lived through it."""
    scene.heal()
    killed = scene.clients.stop()
    outcome.problems += [f"the client {name} did not stop" for name in killed]
    began = time.monotonic()
    if not became(lambda: scene.place.unfinished() == 0, wishes.quiet_seconds):
        left = f"{scene.place.unfinished()} jobs were not over after {wishes.quiet_seconds:g} s"
        outcome.problems += [left, *scene.place.what_is_left()]
    else:
        outcome.quiet_after = time.monotonic() - began
        say(wishes, f"quiet {outcome.quiet_after:.1f} s after the last fault")
    scene.place.save_crons()
    outcome.problems += [f"the worker {name} did not stop" for name in scene.workers.stop()]
    finish_crons(scene, outcome)


def finish_crons(scene: Scene, outcome: Outcome) -> None:
    """A worker without crons runs what the crons have left, and then there is nothing."""
    last = Crew("worker", 1, lambda name: scene.calm_orders(f"{name.partition('-')[0]}-last"))
    try:
        last.wait_until_ready()
        if not became(lambda: scene.place.waiting() == 0, 30.0):
            outcome.problems.append(f"{scene.place.waiting()} jobs of crons were not over after 30 s")
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


def say(wishes: Wishes, text: str) -> None:
    if not wishes.silent:
        print(f"{time.strftime('%H:%M:%S')} {wishes.database:>8}  {text}", flush=True)
