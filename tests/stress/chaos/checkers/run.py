"""A run's folder, read once, and joined by job and by call."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar

from .records import Cron, Effect, End, Fault, Intent, Job, Mark, Move, Step

T = TypeVar("T")

# How a child's call is told from its parent's: `c7/2` or `c7.2` is a child of `c7`.
SEPARATORS: Final = "/."


@dataclass
class Run:
    """Everything the files of one run say, each on its own."""

    intents: dict[str, Intent]
    effects: list[Effect]
    accounts: dict[Any, int]
    jobs: dict[str, Job]
    queue: list[str]
    ends: list[End]
    moves: dict[str, list[Move]]
    steps: dict[str, list[Step]]
    faults: list[Fault]
    # None: these were not written down.
    crons: dict[str, Cron] | None = None
    marks: list[Mark] | None = None
    # The transactions on lists that are known to have committed; of those that ran as jobs, the job's call.
    appended: frozenset[str] = frozenset()
    # Lines that a dying process wrote only in part.
    unreadable: int = 0

    @cached_property
    def effects_of(self) -> dict[str, list[Effect]]:
        """The effects of each job."""
        return grouped((effect.job, effect) for effect in self.effects if effect.job is not None)

    @cached_property
    def direct_effects(self) -> dict[str, list[Effect]]:
        """The effects of each call that ran as no job."""
        return grouped((effect.call, effect) for effect in self.effects if effect.job is None)

    @cached_property
    def children_of(self) -> dict[str, list[Job]]:
        """What each job scheduled."""
        return grouped((job.parent, job) for job in self.jobs.values() if job.parent is not None)

    @cached_property
    def roots_of(self) -> dict[str, list[Job]]:
        """What each client's call scheduled; a job from nowhere stands under its own call."""
        jobs = (job for job in self.jobs.values() if job.parent is None and job.cron is None and job.call is not None)
        return grouped((self.root_call(job), job) for job in jobs)

    def root_call(self, job: Job) -> str:
        call = job.call or ""
        while call and call not in self.intents:
            call = call[: max(call.rfind(mark) for mark in SEPARATORS)] if set(call) & set(SEPARATORS) else ""
        return call or job.call or ""

    def steps_of(self, job_id: str, what: str) -> list[Step]:
        return [step for step in self.steps.get(job_id, ()) if step.what == what]

    def was_purged(self, job_id: str) -> bool:
        """Whether the job's row was deleted after its end."""
        return any(move.new is None for move in self.moves.get(job_id, ())[-1:])

    def inserted_at(self, job_id: str) -> float | None:
        moves = self.moves.get(job_id)
        return moves[0].at if moves and moves[0].old is None else None


def grouped(pairs: Iterator[tuple[Any, T]]) -> dict[Any, list[T]]:
    groups: dict[Any, list[T]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups


class Reader:
    """Reads the files of a folder, and counts lines that end in the middle."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.unreadable = 0

    def lines(self, name: str) -> Iterator[str]:
        path = self._folder / name
        if not path.exists():
            raise FileNotFoundError(f"{path} is missing, so this run cannot be judged; a file may be empty, not absent")
        with path.open(encoding="utf-8", errors="replace") as lines:
            yield from (line for line in lines if line.strip())

    def table(self, name: str, read: Callable[[dict[str, Any]], T]) -> Iterator[T]:
        """The rows of a dump. A dump is made in peace, so a bad line is an error."""
        for number, line in enumerate(self.lines(name), 1):
            try:
                yield read(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(f"{self._folder / name}:{number}: {error!r} in {line.strip()[:200]}") from error

    def journal(self, name: str, read: Callable[[str], T]) -> Iterator[T]:
        """The lines of a file that processes wrote while they were being killed."""
        for line in self.lines(name):
            try:
                yield read(line)
            except ValueError:
                self.unreadable += 1


def read_run(folder: Path) -> Run:
    """Read the folder of a run.

    Raises:
        FileNotFoundError: A file is missing. Only ``crons.jsonl`` and ``markers.jsonl`` may be.
        ValueError: A line of a dump is not what it should be; it says which.
    """
    reader = Reader(folder)
    intents: dict[str, Intent] = {}
    for line in reader.journal("intents.jsonl", json.loads):
        call = line["call"]
        if "outcome" not in line:
            intents[call] = Intent.of(line)
        elif call in intents:
            intents[call] = intents[call].answered(line)
    moves = grouped(reader.table("audit.jsonl", lambda line: (line["job"], Move.of(line))))
    for of_job in moves.values():
        of_job.sort(key=lambda move: move.seq)
    has_crons, has_marks = (folder / "crons.jsonl").exists(), (folder / "markers.jsonl").exists()
    return Run(
        intents=intents,
        effects=list(reader.table("effects.jsonl", Effect.of)),
        accounts=dict(reader.table("accounts.jsonl", lambda line: (line["account"], line["balance"]))),
        jobs={job.id: job for job in reader.table("jobs.jsonl", Job.of)},
        queue=list(reader.table("queue.jsonl", lambda line: str(line["job_id"]))),
        ends=list(reader.table("finished.jsonl", End.of)),
        moves=moves,
        steps=grouped((step.job, step) for step in reader.journal("actions.log", Step.of)),
        faults=list(reader.table("faults.jsonl", Fault.of)),
        crons={cron.name: cron for cron in reader.table("crons.jsonl", Cron.of)} if has_crons else None,
        marks=list(reader.table("markers.jsonl", Mark.of)) if has_marks else None,
        unreadable=reader.unreadable,
    )
