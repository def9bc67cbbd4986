"""A worker at full rate, minute by minute."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
from bench.marks import Observed
from bench.stage import DISK, DURABLE
from servers.postgres import server

from convexpy import Convex, Settings
from stress.faults.child_process import wait_until

from . import app
from .app import work
from .busy import Feeder, worker
from .machine import Machine
from .minute import Minute, look_at

PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class Wishes:
    """How long."""

    minutes: int
    minute_seconds: float
    retention_minutes: float
    hold: tuple[int, int] = (0, 0)
    """The first and the last minute in which a stranger's transaction is open."""
    ahead: int = 20_000
    """How many jobs wait, or more."""


@contextmanager
def place(database: str) -> Iterator[tuple[str, Path]]:
    """A database on a disk, and a folder for files."""
    with TemporaryDirectory(prefix="growth-", dir=DISK if DISK.is_dir() else None) as made:
        folder = Path(made)
        if database == "sqlite":
            yield f"sqlite:///{folder / 'app.db'}", folder
        else:
            with server(DURABLE) as running:
                yield running.url(), folder


def play(url: str, folder: Path, wishes: Wishes) -> Iterator[Minute]:
    """Feed a worker, and tell of every minute. In the end every job must have succeeded.

    Raises:
        RuntimeError: A job failed or was lost, or the feeder or the worker ended.
    """
    observed = Observed(folder)
    first, last = wishes.hold
    with Convex(url, functions=app, settings=Settings(sqlite_synchronous="NORMAL")) as convex, ExitStack() as stranger:
        convex.migrate()
        with worker(url, folder, wishes.retention_minutes * 60) as process:
            with Feeder(convex, observed, wishes.ahead) as feeder:
                for number in range(1, wishes.minutes + 1):
                    if number == first:
                        stranger.enter_context(snapshot(url))
                    before, began, machine = observed.jobs(), time.monotonic(), Machine.now()
                    time.sleep(wishes.minute_seconds)
                    rate, stolen = (observed.jobs() - before) / (time.monotonic() - began), machine.stolen_since()
                    yield look_at(convex, number, rate, held=first <= number <= last, stolen=stolen)
                    if number == last:
                        stranger.close()
                    if feeder.error or process.poll() is not None:
                        raise RuntimeError(f"it ended by itself: {feeder.error or process.returncode}")
            finish(convex, observed, feeder.fed)


@contextmanager
def snapshot(url: str) -> Iterator[None]:
    """A transaction that somebody else has opened, looked around in, and forgotten."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as file:
            look(file, "BEGIN")
            yield
    else:
        with psycopg.connect(url, autocommit=True) as connection:
            look(connection, "BEGIN ISOLATION LEVEL REPEATABLE READ")
            yield


def look(connection: Any, begin: str) -> None:
    connection.execute(begin)
    connection.execute("SELECT count(*) FROM _convexpy_workers").fetchone()


def finish(convex: Convex, observed: Observed, fed: int) -> None:
    """Wait until all is done.

    Raises:
        TimeoutError: It is not.
        RuntimeError: Something failed, or has not run.
    """
    wait_until(lambda: not convex.run(work.left), "all jobs are over", PATIENCE_SECONDS)
    if failed := convex.run(work.failures):
        raise RuntimeError(f"failed: {failed}")
    if observed.jobs() < fed:
        raise RuntimeError(f"{fed} jobs were enqueued, and {observed.jobs()} have run")
