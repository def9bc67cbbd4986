"""Huey on SQLite: its queue lies in the same file as the users' tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

from huey import Huey
from huey.storage import SqliteStorage

from ..app.models import COUNTERS
from ..config import Config
from ..starts import starts
from .adapter import Adapter, run_adapter
from .session import Work


class HueyAdapter(Adapter):
    LEFT = "SELECT count(*) FROM task"

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._huey = huey(config.name, config.synchronous)
        write = Work(config) if self.options.get("session") else DriverWork(config)

        @self._huey.task(name="nothing")
        def nothing(i: int) -> None:
            starts.job()

        @self._huey.task(name="probe")
        def probe(i: int) -> None:
            starts.sample(i)

        @self._huey.task(name="work")
        def work(i: int) -> None:
            starts.job()
            write(i)

        self._tasks = {"nothing": nothing, "probe": probe, "work": work}

    def fill(self, job: str, jobs: int) -> None:
        with self._huey.storage.db(commit=True) as cursor:
            for i in range(jobs):
                data = self._huey.serialize_task(self._tasks[job].s(i))
                cursor.execute("INSERT INTO task (queue, data, priority) VALUES ('bench', ?, 0)", (data,))

    def work(self) -> None:
        poll = float(self.options.get("poll", 0.1))
        self._huey.create_consumer(
            workers=int(self.options.get("threads", 1)),
            worker_type="thread",
            initial_delay=poll,
            max_delay=poll,
            periodic=False,
        ).run()

    def sender(self) -> Callable[[int], object]:
        connection = connect(self.config.name, self.config.synchronous)

        def send(i: int) -> None:
            connection.execute("INSERT INTO entry (job, note) VALUES (?, 'x')", (i,))
            self._tasks["probe"](i)

        return send


class DriverWork:
    """The statements of one job without SQLAlchemy."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._connection: sqlite3.Connection | None = None

    def __call__(self, i: int) -> None:
        self._connection = self._connection or connect(self._config.name, self._config.synchronous)
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute("UPDATE counter SET n = n + 1 WHERE id = ?", (i % COUNTERS,))
        self._connection.execute("INSERT INTO entry (job, note) VALUES (?, 'x')", (i,))
        self._connection.execute("COMMIT")


class NormalStorage(SqliteStorage):
    """Commits with ``synchronous = NORMAL``: Huey's own setting knows only FULL and OFF."""

    def _create_connection(self) -> Any:
        connection = super()._create_connection()
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection


def huey(file: str, synchronous: str) -> Huey:
    kind = SqliteStorage if synchronous == "FULL" else NormalStorage
    fsync = True if synchronous == "FULL" else None
    return Huey("bench", storage_class=kind, filename=file, fsync=fsync, results=False, timeout=30)


def connect(file: str, synchronous: str) -> sqlite3.Connection:
    connection = sqlite3.connect(file, timeout=30, isolation_level=None, check_same_thread=False)
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    return connection


if __name__ == "__main__":
    run_adapter(HueyAdapter)
