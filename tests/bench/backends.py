"""PostgreSQL, Redis and SQLite files of the benchmark's own, on a disk and durable, shared by all systems."""

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
from .config import Config, Database, Synchronous
from .environments import Unavailable
from .redis import Redis

# On many machines /tmp is memory.
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
    "CREATE TABLE message (id {key}, channel integer NOT NULL, number integer NOT NULL)",
    "CREATE INDEX message_by_channel ON message (channel)",
)
KEY = {"postgres": "bigserial PRIMARY KEY", "sqlite": "integer PRIMARY KEY"}
EFFECTS = "SELECT (SELECT sum(n) FROM counter), (SELECT count(*) FROM entry), (SELECT count(DISTINCT job) FROM entry)"


class Databases(Protocol):
    """A running PostgreSQL server."""

    def url(self, database: str) -> str: ...


class Backends:
    """Servers, started when first needed, and a fresh database for every measurement."""

    def __init__(self, server: Databases | None = None) -> None:
        """``server`` is used instead of one of its own."""
        self._server = server
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
        """The PostgreSQL server.

        Raises:
            Unavailable: None can run here.
        """
        if self._server is not None:
            return self._server
        try:
            programs()
            server = Server(self.folder / "postgres", settings=DURABLE)
            server.create()
            server.start()
        except NoServer as reason:
            raise Unavailable(f"no PostgreSQL: {reason}") from None
        self._stack.callback(server.stop, "immediate")
        return server

    @cached_property
    def redis(self) -> Redis:
        """The Redis server.

        Raises:
            Unavailable: ``redis-server`` is not installed or does not start.
        """
        redis = Redis(self.folder / "redis")
        self._stack.callback(redis.stop)
        return redis

    @contextmanager
    def fresh(
        self,
        database: Database,
        synchronous: Synchronous = "FULL",
        redis: bool = False,
        template: str | None = None,
        **options: Any,
    ) -> Iterator[Config]:
        """A new database with the user's tables, or a copy of a template, until the block ends."""
        name = f"bench_{next(self._numbers)}"
        starts = self.folder / f"{name}-starts"
        starts.mkdir()
        if redis:
            self.redis.clear()
        where = self._create(database, name, template)
        try:
            yield Config(database, where, str(starts), synchronous, self.redis.port if redis else 0, options)
        finally:
            shutil.rmtree(starts, ignore_errors=True)
            self.drop(database, where)

    def save_template(self, config: Config, template: str) -> None:
        """Copy a database, so that others can begin as its copies."""
        if config.database == "postgres":
            self.execute(f"CREATE DATABASE {template} TEMPLATE {config.name.rpartition('/')[2]}")
            self._templates[template] = template
        else:
            shutil.copy(config.name, self.folder / template)
            self._templates[template] = str(self.folder / template)

    def has_template(self, template: str) -> bool:
        return template in self._templates

    def execute(self, statement: str, database: str = "postgres") -> Any:
        """Run a statement in autocommit, and return its first row, if it has one."""
        with psycopg.connect(self.postgres.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchone() if cursor.description else None

    def checkpoint(self, config: Config) -> None:
        """Vacuum and checkpoint what was filled, so that no system pays for it while it is measured."""
        if config.database == "postgres":
            name = config.name.rpartition("/")[2]
            self.execute("VACUUM ANALYZE", name)
            self.execute("CHECKPOINT", name)
        else:
            with sqlite3.connect(config.name) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.close()
            with open(config.name, "rb") as file:
                os.fsync(file.fileno())

    def effects(self, config: Config) -> tuple[int, int, int]:
        """What jobs have written to the user's tables: updates, rows, and distinct jobs of these rows."""
        if config.database == "postgres":
            found = self.execute(EFFECTS, config.name.rpartition("/")[2])
        else:
            connection = sqlite3.connect(config.name)
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

    def _create(self, database: Database, name: str, template: str | None) -> str:
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
    statements = [statement.format(key=KEY[database]) for statement in USER_TABLES]
    return [*statements, "INSERT INTO counter VALUES " + ", ".join(f"({i}, 0)" for i in range(COUNTERS))]
