"""Schedule, wait for a moment, cancel; many times, on several threads, against the real dispatcher."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select

from convexpy import Convex, JobId, ScheduledFunction

from . import app
from .app import Effect

FIRST_DELAY_SECONDS = 0.005
PATIENCE_SECONDS = 120.0
PROGRESS_SECONDS = 5.0


@dataclass
class Races:
    """Their outcomes."""

    outcomes: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    seconds: float = 0.0


class Canceler:
    """One thread's races. It waits longer after a cancel that won, and shorter after one that lost."""

    def __init__(self, convex: Convex, kind: str, seed: int) -> None:
        self._convex = convex
        self._kind = kind
        self._rng = random.Random(seed)
        self._delay = FIRST_DELAY_SECONDS
        self.answers: dict[JobId, str] = {}

    def race(self) -> None:
        job_id = self._convex.run(app.schedule, kind=self._kind)
        # Asleep: a busy loop would keep the dispatcher from running.
        time.sleep(self._rng.uniform(0, 2) * self._delay)
        answer = self._by_an_operator(job_id) if self._rng.random() < 0.5 else self._by_a_mutation(job_id)
        self.answers[job_id] = answer
        self._delay *= 1.2 if answer == "canceled" else 1 / 1.2
        self._delay = min(max(self._delay, 0.0001), 0.2)

    def _by_an_operator(self, job_id: JobId) -> str:
        found = self._convex.call("_system/jobs:cancel", {"job_id": job_id})
        return str(found["state"]["kind"])

    def _by_a_mutation(self, job_id: JobId) -> str:
        before = self._convex.run(app.cancel, job_id=job_id)
        return "canceled" if before in ("pending", "inProgress") else before


def run_races(
    convex: Convex, kind: str, number: int, threads: int, seed: int, progress: Callable[[str], None] = print
) -> Races:
    """Race so often. The other side is the dispatcher of this process."""
    races = Races()
    cancelers = [Canceler(convex, kind, seed + n) for n in range(threads)]
    failures: list[BaseException] = []
    began, numbers = time.monotonic(), itertools.count()

    def work(canceler: Canceler) -> None:
        try:
            while next(numbers) < number:
                canceler.race()
        except BaseException as error:
            failures.append(error)

    with convex.running():
        running = [threading.Thread(target=work, args=(canceler,)) for canceler in cancelers]
        for thread in running:
            thread.start()
        while alive := [thread for thread in running if thread.is_alive()]:
            alive[0].join(PROGRESS_SECONDS)
            progress(f"{sum(len(canceler.answers) for canceler in cancelers)} of {number} {kind} races")
        if failures:
            raise failures[0]
        wait_until_quiet(convex)
    races.seconds = time.monotonic() - began
    for canceler in cancelers:
        judge(convex, canceler.answers, kind, races)
    return races


def wait_until_quiet(convex: Convex) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while any(convex.call("_system/jobs:list", {"state": state, "limit": 1}) for state in ("pending", "inProgress")):
        if time.monotonic() > deadline:
            raise TimeoutError("jobs are left over")


def judge(convex: Convex, answers: dict[JobId, str], kind: str, races: Races) -> None:
    """Compare every answer with the job's end and with its traces."""
    with convex.database.read() as transaction:
        effects: dict[Any, int] = dict(
            transaction.connection.execute(select(Effect.job, func.count()).group_by(Effect.job)).all()  # type: ignore[arg-type]
        )
        ends = dict(
            transaction.connection.execute(select(ScheduledFunction.id, ScheduledFunction.state_kind)).all()  # type: ignore[arg-type]
        )
    for job_id, answer in answers.items():
        end, count = ends.get(job_id), effects.get(job_id, 0)
        races.outcomes[f"{end}, {count} effects"] += 1
        allowed = {("canceled", 0), ("success", 1)}
        if kind == "action":
            allowed.add(("canceled", 1))  # it was running: its code goes on to the end, its result is dropped
        if (end, count) not in allowed or end != answer:
            races.broken.append(f"{job_id}: answered {answer}, ended {end} with {count} effects")
