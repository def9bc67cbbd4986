"""The plan of a run's faults, drawn from a seed, and how it is carried out.

Each kind of fault belongs to a thread. A thread strikes one fault after the other, and all threads strike at the same
time, so that faults meet each other.
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

from .processes import ProcessGone
from .targets import Interrupted, Targets


@dataclass(frozen=True)
class PlannedFault:
    """One fault of a plan: when, in seconds since the start, its kind, its target, and for how many seconds."""

    at: float
    kind: str
    target: int
    seconds: float

    def __str__(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class FaultKind:
    """A kind of fault.

    ``seconds`` is how long it lasts, ``rest`` how many pauses its thread makes after it, so that the target comes up
    again. ``strike`` returns whether it really happened, by what was observed and not by what was intended.
    """

    name: str
    thread: str
    strike: Callable[[Targets, PlannedFault], bool]
    weight: int = 1
    seconds: tuple[float, float] = (0.0, 0.0)
    rest: float = 0.0


PAUSE_SECONDS: Final = 3.0
"""Between two faults of a thread, on average."""


def draw(kinds: Sequence[FaultKind], seed: int, seconds: float, pause: float = PAUSE_SECONDS) -> list[PlannedFault]:
    """The plan of a run, in the order of time. In every thread each kind comes once before any comes twice."""
    plan: list[PlannedFault] = []
    for thread in sorted({kind.thread for kind in kinds}):
        rng, at = Random(f"{seed}/{thread}"), 0.0
        of_thread = [kind for kind in kinds if kind.thread == thread]
        bag = rng.sample(of_thread, len(of_thread))
        while True:
            if not bag:
                heavy = [kind for kind in of_thread for _ in range(kind.weight)]
                bag = rng.sample(heavy, len(heavy))
            kind = bag.pop()
            at += rng.uniform(0.5, 1.5) * pause
            lasts = round(rng.uniform(*kind.seconds), 3)
            if at + lasts > seconds:
                break
            plan.append(PlannedFault(round(at, 3), kind.name, rng.randrange(1000), lasts))
            at += lasts + kind.rest * pause
    return sorted(plan, key=lambda fault: fault.at)


class Nemesis:
    """Carries out a plan, one thread for each group of kinds, and records what struck."""

    def __init__(
        self, targets: Targets, kinds: Sequence[FaultKind], plan: Sequence[PlannedFault], seconds: float
    ) -> None:
        self._seconds = seconds
        self._targets = targets
        self._kinds = {kind.name: kind for kind in kinds}
        self._plan = plan
        self._mutex = threading.Lock()
        self._threads: list[threading.Thread] = []
        self.fired: Counter[str] = Counter(dict.fromkeys(self._kinds, 0))
        self.missed: Counter[str] = Counter()

    def start(self) -> None:
        self._began = time.monotonic()
        for name in {kind.thread for kind in self._kinds.values()}:
            faults = [fault for fault in self._plan if self._kinds[fault.kind].thread == name]
            thread = threading.Thread(target=self._run, args=(faults,), name=f"nemesis-{name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def wait(self, seconds: float) -> bool:
        """Wait for so many seconds. Whether the plan is carried out."""
        self._targets.over.wait(seconds)
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self, faults: Sequence[PlannedFault]) -> None:
        try:
            for fault in faults:
                if self._is_late() and self.fired[fault.kind]:
                    continue  # a thread that fell behind ends, but each kind strikes
                self._targets.wait(max(0.0, self._began + fault.at - time.monotonic()))
                self._strike(fault)
        except Interrupted:
            return

    def _is_late(self) -> bool:
        return time.monotonic() > self._began + self._seconds

    def _strike(self, fault: PlannedFault) -> None:
        began = time.time()
        try:
            struck = self._kinds[fault.kind].strike(self._targets, fault)
        except (ProcessGone, psycopg.Error):  # another fault was there first
            struck = False
        except Interrupted:
            raise
        except Exception as error:
            struck = False
            print(f"    the fault {fault.kind!r} failed: {type(error).__name__}: {error}", flush=True)
        with self._mutex:
            (self.fired if struck else self.missed)[fault.kind] += 1
        if struck:
            line = {"kind": fault.kind, "target": fault.target, "t0": began, "t1": time.time()}
            self._targets.database.faults.note([line])
