"""What is known after a play, read from the database and from the world outside."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from .app import Audit, Effect, World
from .plans import Node

FINAL = ("success", "failed", "canceled")


@dataclass
class Move:
    """A job came to a state. ``number`` counts every move and every request to cancel, in the order of commits."""

    number: int
    became: str | None
    error: str | None


@dataclass
class Job:
    """One job, from the first to the last that is known of it."""

    id: str
    kind: str
    label: str
    cron: str | None
    scheduled: int
    moves: list[Move] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)

    @property
    def states(self) -> list[str | None]:
        return [move.became for move in self.moves]

    @property
    def last(self) -> Move:
        """Its last state, purged or not."""
        return next(move for move in reversed(self.moves) if move.became is not None)

    def __str__(self) -> str:
        return f"{self.label} ({self.kind}): {' → '.join(state or 'purged' for state in self.states)}"


@dataclass
class Record:
    """Everything that the model judges."""

    nodes: dict[str, Node]
    committed: set[str]
    """The direct calls that returned."""
    notes: list[str]
    jobs: list[Job]
    effects: Counter[tuple[str, str]]
    first: dict[str, int]
    """When a mutation ran first, in microseconds of the true time."""
    journal: Counter[tuple[str, str]]
    starts: Counter[str]
    children: dict[str, str]
    """The job id that a mutation kept beside each child that it scheduled."""
    steady: dict[str, int] = field(default_factory=dict)
    """The period, in microseconds, of every cron that had one timetable for as long as it was there."""
    left: int = 0
    """How many rows the queue still has at the end."""
    faults: int = 0

    def of(self, label: str) -> list[Job]:
        return [job for job in self.jobs if job.label == label and job.cron is None]

    def crons(self) -> dict[str, list[Job]]:
        found: dict[str, list[Job]] = {}
        for job in self.jobs:
            if job.cron is not None:
                found.setdefault(job.cron, []).append(job)
        return found


def read_jobs(rows: Iterable[Audit]) -> list[Job]:
    jobs: dict[str, Job] = {}
    asked: dict[str, list[int]] = {}  # a transaction that schedules and cancels records the cancel before the job
    for row in rows:
        if row.became == "asked":
            asked.setdefault(row.job, []).append(row.id)
            continue
        if row.job not in jobs:
            args = json.loads(row.args or "{}")
            label = args["plan"]["label"] if "plan" in args else str(row.cron)
            jobs[row.job] = Job(row.job, str(row.kind), label, row.cron, row.scheduled or 0)
        jobs[row.job].moves.append(Move(row.id, row.became, row.error))
    for job in jobs.values():
        job.asked = asked.get(job.id, [])
    return list(jobs.values())


def read_effects(rows: Iterable[Effect], record: Record) -> None:
    for row in rows:
        record.effects[row.what, row.label] += 1
        if row.what in ("ran", "ticked"):
            record.first.setdefault(row.job, row.at)
        if row.what == "scheduled":
            record.children[row.label] = row.job


def read_journal(world: World, record: Record) -> None:
    for what, label, job in world.journal:
        record.journal[what, label] += 1
        if what == "start":
            record.starts[job] += 1
