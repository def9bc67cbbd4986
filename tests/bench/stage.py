"""What contestants stand on: a PostgreSQL and a Redis of the benchmark's own, and files, all on a disk, all durable."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from itertools import count
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Protocol

import psycopg
from servers.postgres import NoServer, Server, programs

from .app.models import COUNTERS
from .environments import Missing
from .place import Database, Place, Synchronous
from .redis import Redis

# Not /tmp, which is memory on many machines.
DISK = Path("/var/tmp")
DURABLE = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "200",
    "shared_preload_libraries": "pg_stat_statements",
}
USER_TABLES = (
    "CREATE TABLE counter (id integer PRIMARY KEY, n bigint NOT NULL)",
    "CREATE TABLE entry (id {key}, job bigint NOT NULL, note text NOT NULL)",
)
KEY = {"postgres": "bigserial PRIMARY KEY", "sqlite": "integer PRIMARY KEY"}
EFFECTS = "SELECT (SELECT sum(n) FROM counter), (SELECT count(*) FROM entry), (SELECT count(DISTINCT job) FROM entry)"


class Databases(Protocol):
    """A PostgreSQL server that is there."""

    def url(self, database: str) -> str: ...


class Stage:
    """The servers, started when somebody first needs them, and a fresh place for every measurement."""

    def __init__(self, lent: Databases | None = None) -> None:
        """``lent`` is a server to use instead of one of its own."""
        self._lent = lent
        self.folder = Path(mkdtemp(prefix="convexpy-bench-", dir=DISK if DISK.is_dir() else None))
        self.folder.chmod(0o755)
        self._numbers = count(1)
        self._stack = ExitStack()
        self._templates: dict[str, str] = {}

    def close(self) -> None:
        self._stack.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    @cached_property
    def postgres(self) -> Databases:
        """The server that all contestants share.

        Raises:
            Missing: None can run here.
        """
        if self._lent is not None:
            return self._lent
        try:
            programs()
            made = Server(self.folder / "postgres", settings=DURABLE)
            made.create()
            made.start()
        except NoServer as reason:
            raise Missing(f"no PostgreSQL: {reason}") from None
        self._stack.callback(made.stop, "immediate")
        return made

    @cached_property
    def redis(self) -> Redis:
        """The Redis that those share who need one.

        Raises:
            Missing: The program is not here.
        """
        made = Redis(self.folder / "redis")
        self._stack.callback(made.stop)
        return made

    @contextmanager
    def place(
        self,
        database: Database,
        synchronous: Synchronous = "FULL",
        redis: bool = False,
        template: str | None = None,
        **options: Any,
    ) -> Iterator[Place]:
        """A place with the users' tables; or with everything that a template has."""
        name = f"bench_{next(self._numbers)}"
        marks = self.folder / f"{name}-marks"
        marks.mkdir()
        if redis:
            self.redis.clear()
        where = self._make(database, name, template)
        try:
            yield Place(database, where, str(marks), synchronous, self.redis.port if redis else 0, options)
        finally:
            shutil.rmtree(marks, ignore_errors=True)
            self.drop(database, where)

    def keep(self, place: Place, template: str) -> None:
        """Make a template of a place, for places to come."""
        if place.database == "postgres":
            self.execute(f"CREATE DATABASE {template} TEMPLATE {place.name.rpartition('/')[2]}")
            self._templates[template] = template
        else:
            shutil.copy(place.name, self.folder / template)
            self._templates[template] = str(self.folder / template)

    def has(self, template: str) -> bool:
        return template in self._templates

    def execute(self, statement: str, database: str = "postgres") -> Any:
        """Run a statement on the server, outside of a transaction; returns its first row, if it has one."""
        with psycopg.connect(self.postgres.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchone() if cursor.description else None

    def settle(self, place: Place) -> None:
        """Let the database tidy up what filling has left, so that no contestant pays for it while it is measured."""
        if place.database == "postgres":
            name = place.name.rpartition("/")[2]
            self.execute("VACUUM ANALYZE", name)
            self.execute("CHECKPOINT", name)
        else:
            with sqlite3.connect(place.name) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.close()
            with open(place.name, "rb") as file:
                os.fsync(file.fileno())

    def effects(self, place: Place) -> tuple[int, int, int]:
        """What jobs have left in the users' tables: updates, rows, and rows of different jobs."""
        if place.database == "postgres":
            found = self.execute(EFFECTS, place.name.rpartition("/")[2])
        else:
            connection = sqlite3.connect(place.name)
            found = connection.execute(EFFECTS).fetchone()
            connection.close()
        updates, rows, different = (int(value or 0) for value in found)
        return updates, rows, different

    def drop(self, database: Database, where: str) -> None:
        if database == "postgres":
            self.execute(f"DROP DATABASE IF EXISTS {where.rpartition('/')[2]} WITH (FORCE)")
        else:
            for path in self.folder.glob(f"{Path(where).name}*"):
                path.unlink(missing_ok=True)

    def _make(self, database: Database, name: str, template: str | None) -> str:
        if database == "postgres":
            self.execute(f"CREATE DATABASE {name} TEMPLATE {self._templates[template] if template else 'template1'}")
            if not template:
                for statement in user_tables("postgres"):
                    self.execute(statement, name)
            return self.postgres.url(name)
        path = self.folder / f"{name}.db"
        if template:
            shutil.copy(self._templates[template], path)
            return str(path)
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA journal_mode = WAL")
        for statement in user_tables("sqlite"):
            connection.execute(statement)
        connection.commit()
        connection.close()
        return str(path)


def user_tables(database: Database) -> list[str]:
    made = [statement.format(key=KEY[database]) for statement in USER_TABLES]
    return [*made, "INSERT INTO counter VALUES " + ", ".join(f"({i}, 0)" for i in range(COUNTERS))]
