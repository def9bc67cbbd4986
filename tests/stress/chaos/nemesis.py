"""The plan of a run's faults, drawn from a seed, and how it is carried out.

Kinds of faults stand in lanes. One lane strikes one fault after the other, and all lanes strike at the same time, so
that faults meet each other.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from random import Random
from typing import Final

import psycopg

from .crew import Gone
from .scene import Interrupted, Scene


@dataclass(frozen=True)
class Blow:
    """One fault of a plan: when, in seconds since the start, which, whom, and for how many seconds."""

    at: float
    kind: str
    target: int
    seconds: float

    def __str__(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class Kind:
    """A kind of fault.

    ``seconds`` is how long it lasts, ``rest`` how many pauses its lane makes after it, so that what was struck comes up
    again. ``strike`` returns whether it really happened, by what was seen and not by what was intended.
    """

    name: str
    lane: str
    strike: Callable[[Scene, Blow], bool]
    weight: int = 1
    seconds: tuple[float, float] = (0.0, 0.0)
    rest: float = 0.0


PAUSE_SECONDS: Final = 3.0
"""Between two faults of a lane, on average."""


def draw(kinds: Sequence[Kind], seed: int, seconds: float, pause: float = PAUSE_SECONDS) -> list[Blow]:
    """The plan of a run, in the order of time. In every lane each kind comes once before any comes twice."""
    plan: list[Blow] = []
    for lane in sorted({kind.lane for kind in kinds}):
        dice, at = Random(f"{seed}/{lane}"), 0.0
        bag = of_lane = [kind for kind in kinds if kind.lane == lane]
        bag = dice.sample(of_lane, len(of_lane))
        while True:
            if not bag:
                heavy = [kind for kind in of_lane for _ in range(kind.weight)]
                bag = dice.sample(heavy, len(heavy))
            kind = bag.pop()
            at += dice.uniform(0.5, 1.5) * pause
            lasts = round(dice.uniform(*kind.seconds), 3)
            if at + lasts > seconds:
                break
            plan.append(Blow(round(at, 3), kind.name, dice.randrange(1000), lasts))
            at += lasts + kind.rest * pause
    return sorted(plan, key=lambda blow: blow.at)


class Nemesis:
    """Carries out a plan, lane by lane, and notes what struck."""

    def __init__(self, scene: Scene, kinds: Sequence[Kind], plan: Sequence[Blow], seconds: float) -> None:
        self._seconds = seconds
        self._scene = scene
        self._kinds = {kind.name: kind for kind in kinds}
        self._plan = plan
        self._mutex = threading.Lock()
        self._threads: list[threading.Thread] = []
        self.fired: Counter[str] = Counter(dict.fromkeys(self._kinds, 0))
        self.missed: Counter[str] = Counter()

    def start(self) -> None:
        self._began = time.monotonic()
        for lane in {kind.lane for kind in self._kinds.values()}:
            blows = [blow for blow in self._plan if self._kinds[blow.kind].lane == lane]
            thread = threading.Thread(target=self._run, args=(blows,), name=f"nemesis-{lane}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def wait(self, seconds: float) -> bool:
        """Wait for so many seconds. Whether the plan is carried out."""
        self._scene.over.wait(seconds)
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self, blows: Sequence[Blow]) -> None:
        try:
            for blow in blows:
                if self._is_late() and self.fired[blow.kind]:
                    continue  # a lane that fell behind does not go on for ever, but each kind strikes
                self._scene.wait(max(0.0, self._began + blow.at - time.monotonic()))
                self._strike(blow)
        except Interrupted:
            return

    def _is_late(self) -> bool:
        return time.monotonic() > self._began + self._seconds

    def _strike(self, blow: Blow) -> None:
        began = time.time()
        try:
            struck = self._kinds[blow.kind].strike(self._scene, blow)
        except (Gone, psycopg.Error):  # another fault was there first
            struck = False
        except Interrupted:
            raise
        except Exception as error:
            struck = False
            print(f"    the fault {blow.kind!r} failed: {type(error).__name__}: {error}", flush=True)
        with self._mutex:
            (self.fired if struck else self.missed)[blow.kind] += 1
        if struck:
            line = {"kind": blow.kind, "target": blow.target, "t0": began, "t1": time.time()}
            self._scene.place.faults.note([line])
