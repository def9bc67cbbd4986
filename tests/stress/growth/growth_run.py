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
from bench.backends import DISK, DURABLE
from bench.starts import StartReader
from servers.postgres import server

from convexpy import Convex, Settings
from stress.faults.child_process import wait_until

from . import app
from .app import work
from .load import Feeder, worker
from .machine import Machine
from .minute import Minute, measure

PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class GrowthOptions:
    """How long a run takes, and what happens in it."""

    minutes: int
    minute_seconds: float
    retention_minutes: float
    hold: tuple[int, int] = (0, 0)
    """The first and the last minute in which another client's transaction is open."""
    ahead: int = 20_000
    """How many jobs wait, or more."""


@contextmanager
def open_database(database: str) -> Iterator[tuple[str, Path]]:
    """A database on a disk, and a folder for files."""
    with TemporaryDirectory(prefix="growth-", dir=DISK if DISK.is_dir() else None) as made:
        folder = Path(made)
        if database == "sqlite":
            yield f"sqlite:///{folder / 'app.db'}", folder
        else:
            with server(DURABLE) as running:
                yield running.url(), folder


def run_minutes(url: str, folder: Path, options: GrowthOptions) -> Iterator[Minute]:
    """Feed a worker, and yield the figures of every minute. In the end every job must have succeeded.

    Raises:
        RuntimeError: A job failed or was lost, or the feeder or the worker ended.
    """
    starts = StartReader(folder)
    first, last = options.hold
    with (
        Convex(url, functions=app, settings=Settings(sqlite_synchronous="NORMAL")) as convex,
        ExitStack() as snapshots,
    ):
        convex.migrate()
        with worker(url, folder, options.retention_minutes * 60) as process:
            with Feeder(convex, starts, options.ahead) as feeder:
                wait_until(lambda: starts.jobs() > 0, "the worker runs jobs", PATIENCE_SECONDS)
                for number in range(1, options.minutes + 1):
                    if number == first:
                        snapshots.enter_context(snapshot(url))
                    before, began, machine = starts.jobs(), time.monotonic(), Machine.now()
                    time.sleep(options.minute_seconds)
                    rate, stolen = (starts.jobs() - before) / (time.monotonic() - began), machine.stolen_since()
                    yield measure(convex, number, rate, held=first <= number <= last, stolen=stolen)
                    if number == last:
                        snapshots.close()
                    if feeder.error or process.poll() is not None:
                        raise RuntimeError(f"it ended by itself: {feeder.error or process.returncode}")
            finish(convex, starts, feeder.fed)


@contextmanager
def snapshot(url: str) -> Iterator[None]:
    """Another client's transaction, which has read something and stays open."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as file:
            read_something(file, "BEGIN")
            yield
    else:
        with psycopg.connect(url, autocommit=True) as connection:
            read_something(connection, "BEGIN ISOLATION LEVEL REPEATABLE READ")
            yield


def read_something(connection: Any, begin: str) -> None:
    connection.execute(begin)
    connection.execute("SELECT count(*) FROM _convexpy_workers").fetchone()


def finish(convex: Convex, starts: StartReader, fed: int) -> None:
    """Wait until all jobs have ended.

    Raises:
        TimeoutError: They have not.
        RuntimeError: Something failed, or has not run.
    """
    wait_until(lambda: not convex.run(work.left), "all jobs are over", PATIENCE_SECONDS)
    if failed := convex.run(work.failures):
        raise RuntimeError(f"failed: {failed}")
    if starts.jobs() < fed:
        raise RuntimeError(f"{fed} jobs were enqueued, and {starts.jobs()} have run")
