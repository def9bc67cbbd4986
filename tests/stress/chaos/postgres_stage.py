"""A run on a PostgreSQL server of its own, which all processes reach through the proxy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import psycopg
from servers.postgres import Server, server

from .crew import Member
from .guardian import guard
from .nemesis import Kind
from .orders import SETTINGS
from .place import Place
from .postgres_faults import POSTGRES_FAULTS
from .proxy import serve_proxy

if TYPE_CHECKING:
    from .run import Wishes

Stage = tuple[Place, Callable[[str], str], list[Kind], dict[str, Any]]

# As in production, but for a small machine: a commit is on the disk, and what stands in the way is said soon.
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
def postgres_stage(wishes: Wishes) -> Iterator[Stage]:
    """The place, the URL for each process, the faults, and what else the scene has.

    Raises:
        NoServer: None can run here.
    """
    with server(SERVER) as made:
        guardian = Member("guardian", guard, made)
        create_database(made)
        names = [f"w{n}" for n in range(wishes.workers)] + [f"c{n}" for n in range(wishes.clients)]
        proxy = Member("proxy", serve_proxy, made.port, names)
        try:
            ports = proxy.ask("ports")

            def url(name: str) -> str:
                # Who comes last has no port of its own.
                return f"postgresql://{APP_USER}@127.0.0.1:{ports.get(name, made.port)}/{DATABASE}?{PLAIN}"

            place = Place(wishes.folder, url("nobody"), SETTINGS)
            yield place, url, POSTGRES_FAULTS, {"server": made, "proxy": proxy}
        finally:
            proxy.kill()
            guardian.tell_to_stop()


def create_database(made: Server) -> None:
    """The app is an ordinary user, as who has all rights may use connections that are kept back."""
    with psycopg.connect(made.dsn(), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {APP_USER} LOGIN")
        connection.execute(f"CREATE DATABASE {DATABASE} OWNER {APP_USER}")
