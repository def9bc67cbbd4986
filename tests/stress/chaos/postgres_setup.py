"""A run on a PostgreSQL server of its own, which all processes reach through the proxy."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, Final

import psycopg
from servers.postgres import Server, server

from .nemesis import FaultKind
from .postgres_faults import POSTGRES_FAULTS
from .process_config import SETTINGS
from .processes import ChildProcess
from .proxy import serve_proxy
from .run_database import RunDatabase

if TYPE_CHECKING:
    from .run import RunOptions

RunSetup = tuple[RunDatabase, Callable[[str], str], list[FaultKind], dict[str, Any]]

# As in production, but for a small machine: a commit is on the disk, and a lock that is in the way is noticed soon.
SERVER: Final = {
    "fsync": "on",
    "synchronous_commit": "on",
    "max_connections": "60",
    "superuser_reserved_connections": "5",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
    "deadlock_timeout": "100ms",
    "autovacuum_naptime": "10s",
    "log_min_messages": "fatal",
}
APP_USER: Final = "app"
DATABASE: Final = "chaos"
PLAIN: Final = "sslmode=disable&gssencmode=disable"


@contextmanager
def postgres_setup(options: RunOptions) -> Iterator[RunSetup]:
    """The database, the URL for each process, the faults, and what else they can strike.

    Raises:
        NoServer: None can run here.
    """
    with server(SERVER) as made:
        guard = ChildProcess("guard", guard_server, made)
        create_database(made)
        names = [f"w{n}" for n in range(options.workers)] + [f"c{n}" for n in range(options.clients)]
        proxy = ChildProcess("proxy", serve_proxy, made.port, names)
        try:
            ports = proxy.ask("ports")

            def url(name: str) -> str:
                # The last worker and the parent have no port of their own.
                return f"postgresql://{APP_USER}@127.0.0.1:{ports.get(name, made.port)}/{DATABASE}?{PLAIN}"

            database = RunDatabase(options.folder, url("parent"), SETTINGS)
            yield database, url, POSTGRES_FAULTS, {"server": made, "proxy": proxy}
        finally:
            proxy.kill()
            guard.ask_to_stop()


def create_database(made: Server) -> None:
    """The app is an ordinary user: a superuser may use connections that are kept back."""
    with psycopg.connect(made.dsn(), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {APP_USER} LOGIN")
        connection.execute(f"CREATE DATABASE {DATABASE} OWNER {APP_USER}")


def guard_server(made: Server, pipe: Connection) -> None:
    """The main function of a process that outlives the run's parent, and stops its server if the parent was killed."""
    os.setsid()  # what ends the parent does not end this
    pipe.send("ready")
    with suppress(EOFError, ConnectionResetError):
        if pipe.recv()[0] == "stop":
            return
    if made.is_running():
        made.stop("immediate")
    shutil.rmtree(made.folder, ignore_errors=True)
