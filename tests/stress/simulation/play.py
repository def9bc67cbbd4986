"""Play one seed: random calls, cancels, crons and leaps of time, with chaos on the way, and then the verdict."""

from __future__ import annotations

import logging
import random
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select

from convexpy import Crons, Settings
from convexpy.database.tables import queue
from convexpy.testing import ConvexTest

from . import app, model, record
from .app import Audit, Base, Broken, Effect, Plan, world
from .plans import Planner
from .record import FINAL, Record

BEGIN = datetime(2030, 1, 7, 12, tzinfo=UTC)
SETTINGS = Settings(
    sqlite_synchronous="NORMAL",
    retention=timedelta(hours=6),
    retry_first=timedelta(milliseconds=100),
    conflict_first=timedelta(milliseconds=5),
    lock_timeout=timedelta(seconds=2),
)
PERIODS = [timedelta(minutes=20), timedelta(hours=1), "0 */2 * * *", "*/30 * * * *"]
HOURS_TO_PURGE = 7


@dataclass
class Outcome:
    """What one seed gave."""

    seed: int
    broken: list[str]
    timeline: list[str]
    jobs: int
    faults: int

    def __str__(self) -> str:
        return "\n".join([f"seed {self.seed}:", *(f"  {line}" for line in self.timeline), *self.broken])


class Play:
    """One run of the app under one seed."""

    def __init__(self, seed: int, convex: ConvexTest) -> None:
        self.rng = random.Random(f"play {seed}")
        self.planner = Planner(self.rng)
        self.convex = convex
        self.chaos: Any = convex._chaos
        self.committed: set[str] = set()
        self.broken: list[str] = []
        self.faults = 0
        self._db = convex.db()
        self._read = 0
        self._names = ["sweep", "report"]
        self._timetables: dict[str, set[timedelta | str]] = {}

    def run(self) -> None:
        moves = [self.order] * 5 + [self.crowd] * 2 + [self.cancel] * 2 + [self.wait] * 5 + [self.run_due] * 2
        moves += [self.redefine_crons, self.restart, self.leap, self.finish]
        self.redefine_crons()
        for _ in range(self.rng.randint(8, 16)):
            self.rng.choice(moves)()
            self.read_audit()
        self.faults = sum(">" not in line for line in self.chaos.log)
        self.chaos.is_awake = False
        self.convex.finish_all_scheduled()
        self.read_audit()

    def note(self, text: str) -> None:
        self.chaos.log.append(f"{self.convex.now:%F %T.%f}  > {text}")

    def order(self) -> None:
        self._call(self.planner.order())

    def crowd(self) -> None:
        """Many mutations that are due together, and may run together."""
        self._call(self.planner.crowd())

    def _call(self, plan: Plan) -> None:
        self.note(f"order {plan}")
        try:
            self.convex.run(app.order, plan=plan)
        except Broken:
            if not plan["fails"]:
                raise
        else:
            self.committed.add(plan["label"])

    def cancel(self) -> None:
        """Cancel some job, as a direct call that does nothing else."""
        label = self.planner.some_label()
        plan = {"label": "cancel", "kind": "order", "fails": False, "steps": [{"do": "cancel", "label": label}]}
        self.note(f"cancel {label}")
        self.convex.run(app.order, plan=plan)

    def wait(self) -> None:
        seconds = self.rng.choice([0.1, 0.5, 1, 5, 20, 70])
        self.note(f"wait {seconds} s")
        self.convex.advance(seconds=seconds)

    def leap(self) -> None:
        hours = self.rng.choice([1, 3])
        self.note(f"wait {hours} h")
        self.convex.advance(hours=hours)

    def run_due(self) -> None:
        self.note("run what is due")
        self.convex.run_due()

    def finish(self) -> None:
        self.note("finish what is scheduled")
        self.convex.finish_all_scheduled()

    def restart(self) -> None:
        self.note("restart")
        worker: Any = self.convex._worker
        worker.restart()

    def redefine_crons(self) -> None:
        """A new version of the app: other crons, or the same ones with other timetables."""
        crons = Crons()
        names = self.rng.sample(self._names, self.rng.randint(0, len(self._names)))
        for name in names:
            period = self.rng.choice(PERIODS)
            self._timetables.setdefault(name, set()).add(period)
            if isinstance(period, str):
                crons.cron(name, period, app.tick, cron=name)
            else:
                crons.interval(name, period, app.tick, cron=name)
        # A cron that is declared again is another cron: it may fire at once, at the very moment of its last slot.
        self._names = [name if name in names else f"{name}'" for name in self._names]
        convex = self.convex.convex
        problems = crons.resolve(convex.registry)
        assert not problems, problems
        self.note(f"crons: { {name: each.timetable.text for name, each in crons.definitions.items()} }")
        convex._app = replace(convex.app, crons=crons)
        self.restart()

    def read_audit(self) -> None:
        """Record what became of jobs, and check that nothing was purged too early."""
        oldest = self.convex.now - SETTINGS.retention
        rows = self._db.scalars(select(Audit).where(Audit.id > self._read).order_by(Audit.id)).all()
        self._db.rollback()
        for job in record.read_jobs(rows):
            self.note(f"  {job}{''.join(f' ({move.error})' for move in job.moves if move.error)}")
        for row in rows:
            self._read = row.id
            if row.became is None and (row.was not in FINAL or row.completed > oldest.timestamp() * 1e6):
                self.broken.append(f"retention: {row.job} was purged as {row.was}, completed {row.completed}")

    def record(self) -> Record:
        empty: Any = (Counter(), {}, Counter(), Counter(), {})
        jobs = record.read_jobs(self._db.scalars(select(Audit).order_by(Audit.id)))
        found = Record(self.planner.nodes, self.committed, self.planner.notes, jobs, *empty)
        record.read_effects(self._db.scalars(select(Effect).order_by(Effect.id)), found)
        found.left = self._db.scalar(select(func.count()).select_from(queue)) or 0
        self._db.rollback()
        record.read_journal(world, found)
        found.faults = self.faults
        for name, (period, *others) in self._timetables.items():
            if isinstance(period, timedelta) and not others:
                found.steady[name] = period // timedelta(microseconds=1)
        return found

    def check_retention(self) -> None:
        """In time every job is purged that ended before the retention."""
        convex, process = self.convex.convex, self.convex._running_worker
        convex._app = replace(convex.app, crons=Crons())
        process.worker.crons.adopt(convex.app.crons, convex.registry)
        # A registration whose answer was lost declares the old ones until it counts as dead.
        self.convex.advance(2 * SETTINGS.heartbeat_timeout)
        self.convex.advance(hours=HOURS_TO_PURGE)
        kept = [job.name for job in self.convex.jobs()]
        if kept:
            self.broken.append(f"retention: {kept} are still kept")


@contextmanager
def quiet_logging() -> Iterator[None]:
    """What fails on purpose is not logged in this block."""
    loggers = [logging.getLogger(name) for name in ("convexpy.testing", "convexpy.dispatch", "convexpy.run")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@quiet_logging()
def play(seed: int, url: str | None = None) -> Outcome:
    """Play one seed to its end, on a throw-away database or on an unused one."""
    random.seed(seed)  # the jitter of retries
    options: Any = {"metadata": Base.metadata, "settings": SETTINGS, "now": BEGIN, "database_url": url}
    with ConvexTest(app, **options, chaos=seed) as convex:
        world.now, world.journal = lambda: convex.now, []
        played = Play(seed, convex)
        played.chaos.may_step_ahead = seed % 2 == 1
        found = None
        try:
            played.run()
            found = played.record()
            played.broken += model.violations(found)
            played.check_retention()
        except Exception as error:
            played.broken.append("".join(traceback.format_exception(error)))
        jobs = len(found.jobs) if found else 0
        return Outcome(seed, played.broken, played.chaos.log, jobs, played.faults)
