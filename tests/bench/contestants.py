"""Who takes part: each with what it promises, the environment it runs in, and its best settings."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from inspect import signature
from pathlib import Path
from typing import Any, Protocol

from convexpy import Settings
from convexpy.cli.start import worker

from . import environments
from .child import Child, CommandLine
from .environments import Environment
from .place import Database, Place, Synchronous
from .stage import Stage


class Contestant(Protocol):
    """Someone whose speed can be measured."""

    @property
    def name(self) -> str: ...

    @property
    def guarantee(self) -> str: ...

    @property
    def database(self) -> Database: ...

    @property
    def share(self) -> float:
        """The part of a workload's jobs that it gets, so that slow ones take no longer than fast ones."""
        ...

    def place(self, stage: Stage, template: str | None = None) -> AbstractContextManager[Place]:
        """A fresh place for it, or one that begins as a copy."""
        ...

    def clerk(self, place: Place) -> Child:
        """A process that prepares, fills, counts and calls, when it is asked to."""
        ...

    def workers(self, place: Place) -> list[Child]:
        """Processes that run jobs; ready, but not running any before they are told to go."""
        ...


@dataclass(frozen=True)
class Peer:
    """A contestant whose script does everything."""

    name: str
    guarantee: str
    module: str
    environment: Environment | None = None
    database: Database = "postgres"
    synchronous: Synchronous = "FULL"
    redis: bool = False
    share: float = 1.0
    processes: int = 1
    options: dict[str, Any] = field(default_factory=dict)

    def python(self) -> Path:
        return self.environment.python() if self.environment else Path(sys.executable)

    @contextmanager
    def place(self, stage: Stage, template: str | None = None) -> Iterator[Place]:
        self.python()  # who is missing says so before a place is made
        with stage.place(self.database, self.synchronous, self.redis, template, **self.options) as place:
            yield place

    def clerk(self, place: Place) -> Child:
        return Child(self.python(), self.module, place, "ask")

    def workers(self, place: Place) -> list[Child]:
        made = [Child(self.python(), self.module, place, "work") for _ in range(self.processes)]
        for child in made:
            child.line()
        return made

    def with_(self, **changes: Any) -> Peer:
        """The same, except for these."""
        options = {**self.options, **changes.pop("options", {})}
        return replace(self, options=options, **changes)


@dataclass(frozen=True)
class Ours(Peer):
    """convexpy: its workers are those of its command line. They begin to run jobs as soon as they are up."""

    module: str = "ours"

    def workers(self, place: Place) -> list[Child]:
        if self.processes > 1 and "processes" in signature(worker).parameters:
            return [CommandLine(self.python(), place, "--processes", str(self.processes))]
        return [CommandLine(self.python(), place) for _ in range(self.processes)]


EXACTLY = "exactly once, serializable; enqueued in the caller's transaction"
RAW = "no queue: what is interrupted is lost"
CONVEXPY = Ours("convexpy", EXACTLY)
CONVEXPY_2 = Ours("convexpy, 2 processes", EXACTLY, processes=2)
CONVEXPY_DRIVER = Ours("convexpy, driver SQL", EXACTLY, options={"job": "driver"})
CONVEXPY_DRIVER_2 = CONVEXPY_DRIVER.with_(name="convexpy, driver SQL, 2 processes", processes=2)
CONVEXPY_SQLITE = Ours("convexpy", EXACTLY, database="sqlite")
CONVEXPY_SQLITE_DRIVER = Ours("convexpy, driver SQL", EXACTLY, database="sqlite", options={"job": "driver"})

# As many threads as a worker of convexpy runs mutations.
THREADS = Settings().mutation_concurrency
BARE = Peer(f"bare Session, {THREADS} threads", RAW, "bare", options={"threads": THREADS})
BARE_SINGLE = BARE.with_(name="bare Session, 1 thread", options={"threads": 1}, share=0.5)
BARE_SQLITE = Peer("raw sqlite3", RAW, "bare", database="sqlite", options={"driver": True})
BARE_SQLITE_SESSION = BARE_SQLITE.with_(name="bare Session", share=0.5, options={"driver": False})
BARE_DRIVER = BARE.with_(name=f"bare psycopg, {THREADS} threads", options={"job": "driver"})
BARE_DRIVER_SINGLE = BARE_SINGLE.with_(name="bare psycopg, 1 thread", options={"job": "driver"})
NOTIFY = Peer("bare LISTEN/NOTIFY", "none: nothing is kept", "notify")

DBOS = Peer(
    "DBOS",
    "exactly once for its transactions, serializable",
    "dbos",
    environments.DBOS,
    share=0.08,
    options={"threads": 8},
)
DBOS_SQLITE = DBOS.with_(database="sqlite", share=0.04, options={"threads": 4})
PGQUEUER = Peer(
    "PgQueuer",
    "at least once; a crash runs up to 500 again",
    "pgqueuer",
    environments.PGQUEUER,
    options={"threads": 8, "batch": 500},
)
OBAN = Peer("Oban", "at least once", "oban", environments.OBAN, share=0.5, options={"threads": 4, "limit": 500})
PROCRASTINATE = Peer(
    "Procrastinate",
    "at most once, unless a task of yours retries stalled jobs",
    "procrastinate",
    environments.PROCRASTINATE,
    share=0.15,
    options={"concurrency": 20},
)
CELERY = Peer(
    "Celery + Redis",
    "at least once (acks_late); enqueued apart from the caller's rows",
    "celery",
    environments.CELERY,
    redis=True,
    share=0.2,
    options={"threads": 4},
)
DRAMATIQ = Peer(
    "Dramatiq + Redis",
    "at least once; enqueued apart from the caller's rows",
    "dramatiq",
    environments.DRAMATIQ,
    redis=True,
    share=0.4,
    options={"threads": 4},
)
HUEY_SQLITE = Peer(
    "Huey",
    "at most once; enqueued apart from the caller's rows",
    "huey",
    environments.HUEY,
    database="sqlite",
    options={"threads": 1},
)
HUEY_SQLITE_SESSION = HUEY_SQLITE.with_(name="Huey, Session", share=0.5, options={"session": True})
