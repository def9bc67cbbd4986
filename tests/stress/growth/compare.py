"""How fast a full database is, compared with a new one."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

import psycopg
from bench.starts import StartReader
from psycopg.sql import SQL, Identifier

from convexpy import Convex
from stress.faults.child_process import wait_until

from . import app
from .load import enqueue, worker

PATIENCE_SECONDS = 120.0
NEVER_SECONDS = 7 * 86_400.0


@dataclass
class Comparison:
    """Jobs a second, round by round."""

    full: list[float]
    new: list[float]

    @property
    def ratio(self) -> float:
        """The median of the rounds."""
        return statistics.median(full / new for full, new in zip(self.full, self.new, strict=True))

    def line(self) -> str:
        return (
            f"drained in turns: {statistics.median(self.full):,.0f} jobs/s with all that is in it, "
            f"{statistics.median(self.new):,.0f} in a new database; "
            f"ratio {self.ratio:.2f}, median of {len(self.new)}"
        )


def compare(full: str, new: str, folder: Path, *, rounds: int, jobs: int) -> Comparison:
    """Drain so many jobs in turns from the one and from the other."""
    compared = Comparison([], [])
    for number in range(rounds):
        for url, rates in ((full, compared.full), (new, compared.new))[:: 1 if number % 2 else -1]:
            rates.append(drain(url, folder, jobs))
    return compared


def drain(url: str, folder: Path, jobs: int) -> float:
    """Jobs per second of a worker that does nothing else."""
    place = Path(mkdtemp(dir=folder))
    starts = StartReader(place)
    with Convex(url, functions=app) as convex:
        convex.migrate()
        enqueue(convex, jobs)
        with worker(url, place, NEVER_SECONDS):
            wait_until(lambda: starts.jobs() >= jobs, "all jobs have run", PATIENCE_SECONDS)
            return jobs / (time.monotonic() - starts.first())


def new_database_beside(url: str) -> str:
    """A new database in the same place."""
    if url.startswith("sqlite"):
        return url.replace("app.db", "new.db")
    name = f"{url.rpartition('/')[2]}_new"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
    return f"{url}_new"
