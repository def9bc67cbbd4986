"""What a process of a run is started with, and what each of them does first."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any

from convexpy import Settings
from convexpy.app import Convex
from convexpy.errors import DatabaseError

from .app.outside import World
from .parent_death import die_with_parent

APP = f"{__package__}.app"
LOOK_SECONDS = 1.0
# Backoff, heartbeat and recovery as always, only faster, so that many faults fit into a run.
SETTINGS: dict[str, Any] = {
    "retry_first": 0.05,
    "retry_longest": 2.0,
    "heartbeat_interval": 1.0,
    "heartbeat_timeout": 4.0,
    "poll_interval": 1.0,
    "lock_timeout": 2.0,
    "stop_grace": 3.0,
    "mutation_time_limit": 10.0,
    "min_cron_interval": 1.0,
    "sqlite_synchronous": "NORMAL",
    "database_connections": 4,
    "mutation_concurrency": 3,
}


@dataclass(frozen=True)
class ProcessConfig:
    """The name of a process, its database, and how it works."""

    name: str
    url: str
    folder: Path
    seed: str
    settings: dict[str, Any] = field(default_factory=lambda: dict(SETTINGS))
    # Clients only: how many threads call at the same time, and above which backlog they wait.
    threads: int = 1
    enough: int = 200
    # Workers only: without crons a run comes to rest.
    crons: bool = True
    # Workers only: mutations share transactions, also those that are slow or have failed.
    batch_everything: bool = False
    # Workers on PostgreSQL only: claims begin where the last one ended, as beside a transaction that stays open.
    claim_ahead: bool = False


class Terminated(BaseException):
    """SIGTERM came."""


def begin(config: ProcessConfig) -> None:
    """Die with the parent, stop on SIGTERM, log beside the database."""
    os.setsid()  # signals of the parent's terminal reach the parent only
    die_with_parent()
    signal.signal(signal.SIGTERM, terminate)
    log = os.open(config.folder / f"{config.name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    faulthandler.register(signal.SIGUSR1, file=2)  # shows where its threads are
    os.environ["CHAOS_CRONS"] = "on" if config.crons else "off"
    World.log = config.folder / "actions.log"
    World.process = f"{config.name}:{os.getpid()}"


def terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated


def next_command(pipe: Connection) -> Any:
    """The parent's next command.

    The system may hand a signal to another thread, where it interrupts nothing, so this one wakes every second.
    """
    while not pipe.poll(LOOK_SECONDS):
        pass
    return pipe.recv()


def open_app(config: ProcessConfig) -> Convex:
    """The app, as soon as its database can be reached."""
    settings = Settings(**config.settings)
    app: Convex = patiently(lambda: Convex(config.url, functions=APP, settings=settings))
    return app


def patiently(work: Callable[[], Any]) -> Any:
    """Do something again and again while the database cannot be used, as a supervisor does."""
    while True:
        try:
            return work()
        except (DatabaseError, OSError) as error:
            print(f"{datetime.now(UTC):%T} not yet: {error}", file=sys.stderr)
        except Exception as error:
            if not is_of_database(error):
                raise
            print(f"{datetime.now(UTC):%T} not yet: {type(error).__name__}: {error}", file=sys.stderr)
        time.sleep(0.2)


def is_of_database(error: BaseException) -> bool:
    return any(kind.__module__.partition(".")[0] in ("sqlalchemy", "psycopg", "sqlite3") for kind in type(error).mro())
