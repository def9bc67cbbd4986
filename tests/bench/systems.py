"""The systems under test: convexpy, its peers and the bare drivers, each with its guarantee and its best settings."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from convexpy import Settings

from . import environments
from .backends import Backends
from .config import Config, Database, Synchronous
from .environments import Environment
from .process import AdapterProcess, WorkerCommand


@dataclass(frozen=True)
class System:
    """A system that its adapter script prepares, fills and runs, in an environment of its own."""

    name: str
    guarantee: str
    module: str
    environment: Environment | None = None
    database: Database = "postgres"
    synchronous: Synchronous = "FULL"
    redis: bool = False
    share: float = 1.0
    """The part of a workload's jobs that it gets, so that slow systems take no longer than fast ones."""
    processes: int = 1
    options: dict[str, Any] = field(default_factory=dict)

    def python(self) -> Path:
        return self.environment.python() if self.environment else Path(sys.executable)

    @contextmanager
    def fresh(self, backends: Backends, template: str | None = None) -> Iterator[Config]:
        """A new database for one measurement, or a copy of a template."""
        self.python()  # an environment that cannot be built is reported before a database is created
        with backends.fresh(self.database, self.synchronous, self.redis, template, **self.options) as config:
            yield config

    def client(self, config: Config) -> AdapterProcess:
        """A process that prepares, fills, counts and calls, on request."""
        return AdapterProcess(self.python(), self.module, config, "client")

    def workers(self, config: Config) -> list[AdapterProcess]:
        """Processes that run jobs: they are ready, and begin when a line is sent."""
        processes = [AdapterProcess(self.python(), self.module, config, "worker") for _ in range(self.processes)]
        for process in processes:
            process.read_line()
        return processes

    def with_(self, **changes: Any) -> System:
        """A copy with these changes; options are merged."""
        options = {**self.options, **changes.pop("options", {})}
        return replace(self, options=options, **changes)


@dataclass(frozen=True)
class Convexpy(System):
    """convexpy. Its workers are ``convexpy worker``, which runs jobs as soon as it has started."""

    module: str = "ours"

    def workers(self, config: Config) -> list[AdapterProcess]:
        if self.processes > 1:
            return [WorkerCommand(self.python(), config, "--processes", str(self.processes))]
        return [WorkerCommand(self.python(), config)]


EXACTLY = "exactly once, serializable; enqueued in the caller's transaction"
RAW = "no queue: what is interrupted is lost"
CONVEXPY = Convexpy("convexpy", EXACTLY)
CONVEXPY_2 = Convexpy("convexpy, 2 processes", EXACTLY, processes=2)
CONVEXPY_DRIVER = Convexpy("convexpy, driver SQL", EXACTLY, options={"job": "driver"})
CONVEXPY_DRIVER_2 = CONVEXPY_DRIVER.with_(name="convexpy, driver SQL, 2 processes", processes=2)
CONVEXPY_SQLITE = Convexpy("convexpy", EXACTLY, database="sqlite")
CONVEXPY_SQLITE_DRIVER = Convexpy("convexpy, driver SQL", EXACTLY, database="sqlite", options={"job": "driver"})

# As many threads as a worker of convexpy runs mutations.
THREADS = Settings().mutation_concurrency
BARE = System(f"bare Session, {THREADS} threads", RAW, "bare", options={"threads": THREADS})
BARE_SINGLE = BARE.with_(name="bare Session, 1 thread", options={"threads": 1}, share=0.5)
BARE_SQLITE = System("raw sqlite3", RAW, "bare", database="sqlite", options={"driver": True})
BARE_SQLITE_SESSION = BARE_SQLITE.with_(name="bare Session", share=0.5, options={"driver": False})
BARE_DRIVER = BARE.with_(name=f"bare psycopg, {THREADS} threads", options={"job": "driver"})
BARE_DRIVER_SINGLE = BARE_SINGLE.with_(name="bare psycopg, 1 thread", options={"job": "driver"})
LIVE = System("convexpy", "every commit is seen; one snapshot a subscriber", "live")
POLLING = System("polling each second", "a second late", "live_polling")
BY_HAND = System("LISTEN/NOTIFY by hand", "what is announced is seen, unless a connection breaks", "live_notify")
NOTIFY = System("bare LISTEN/NOTIFY", "none: nothing is kept", "notify")

DBOS = System(
    "DBOS",
    "exactly once for its transactions, serializable",
    "dbos",
    environments.DBOS,
    share=0.08,
    options={"threads": 8},
)
DBOS_SQLITE = DBOS.with_(database="sqlite", share=0.04, options={"threads": 4})
PGQUEUER = System(
    "PgQueuer",
    "at least once; a crash runs up to 500 again",
    "pgqueuer",
    environments.PGQUEUER,
    options={"threads": 8, "batch": 500},
)
OBAN = System("Oban", "at least once", "oban", environments.OBAN, share=0.5, options={"threads": 4, "limit": 500})
PROCRASTINATE = System(
    "Procrastinate",
    "at most once, unless a task of yours retries stalled jobs",
    "procrastinate",
    environments.PROCRASTINATE,
    share=0.15,
    options={"concurrency": 20},
)
CELERY = System(
    "Celery + Redis",
    "at least once (acks_late); enqueued apart from the caller's rows",
    "celery",
    environments.CELERY,
    redis=True,
    share=0.2,
    options={"threads": 4},
)
DRAMATIQ = System(
    "Dramatiq + Redis",
    "at least once; enqueued apart from the caller's rows",
    "dramatiq",
    environments.DRAMATIQ,
    redis=True,
    share=0.4,
    options={"threads": 4},
)
HUEY_SQLITE = System(
    "Huey",
    "at most once; enqueued apart from the caller's rows",
    "huey",
    environments.HUEY,
    database="sqlite",
    options={"threads": 1},
)
HUEY_SQLITE_SESSION = HUEY_SQLITE.with_(name="Huey, Session", share=0.5, options={"session": True})
