"""Real PostgreSQL servers, one whose settings are as they should be and one whose settings are not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from servers.postgres import NoServer, Server, server
from sqlalchemy import NullPool, create_engine, insert, make_url

from convexpy.database.tables import workers
from convexpy.doctor.checks import run_checks
from convexpy.doctor.finding import Finding
from convexpy.migrations.framework import migrate
from convexpy.settings import Settings

GOOD = {
    "max_connections": "200",
    "max_pred_locks_per_transaction": "256",
    "idle_in_transaction_session_timeout": "60000",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
BAD = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "synchronous_standby_names": "nobody",
    "default_transaction_isolation": "serializable",
    "max_connections": "20",
    "max_worker_processes": "0",
    "max_parallel_workers": "0",
    "max_wal_senders": "0",
    "wal_level": "minimal",
    "autovacuum": "off",
    "autovacuum_worker_slots": "1",
}


@pytest.fixture(scope="session")
def good_server() -> Iterator[Server]:
    yield from running(GOOD)


@pytest.fixture(scope="session")
def bad_server() -> Iterator[Server]:
    """A server with few slots and every setting wrong."""
    yield from running(BAD)


def running(settings: dict[str, str]) -> Iterator[Server]:
    try:
        with server(settings) as started:
            yield started
    except NoServer as error:
        pytest.skip(f"no PostgreSQL server can run here: {error}")


class Database:
    """An empty database of a server, or a SQLite file, and what the doctor says about it."""

    def __init__(self, url: str, dsn: str = "") -> None:
        self.url = make_url(url)
        self.dsn = dsn
        self.engine = create_engine(self.url, poolclass=NullPool)

    def migrate(self) -> None:
        migrate(self.engine)

    def add_worker(self, *, heartbeat: datetime | None = None, host: str = "here boot") -> None:
        now = datetime.now(UTC)
        row = {"id": uuid4().hex, "started_time": now, "heartbeat_time": heartbeat or now, "host": host, "pid": 1}
        with self.engine.begin() as connection:
            connection.execute(insert(workers).values(row))

    def run(self, *statements: str) -> None:
        with self.engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(self.dsn, autocommit=True)

    def findings(
        self, about: str | None = None, settings: Settings | None = None, seconds: float = 0.1
    ) -> list[Finding]:
        found = run_checks(self.url, settings or Settings(), None, seconds)
        return [finding for finding in found if about in (None, finding.about)]


@pytest.fixture
def good(good_server: Server) -> Iterator[Database]:
    """A database of the good server, owned by an ordinary user, with convexpy's tables and a worker."""
    yield from made(good_server, user="ordinary")


@pytest.fixture
def bad(bad_server: Server) -> Iterator[Database]:
    """A database of the bad server, owned by its superuser, with nothing in it."""
    yield from made(bad_server, user=bad_server.user)


def made(of: Server, user: str) -> Iterator[Database]:
    name = f"test_{uuid4().hex}"
    with psycopg.connect(of.dsn(), autocommit=True) as connection:
        if user != of.user:
            connection.execute(f"DROP ROLE IF EXISTS {user}")
            connection.execute(f"CREATE ROLE {user} LOGIN IN ROLE pg_read_all_stats")
        connection.execute(f"CREATE DATABASE {name} OWNER {user}")
    database = Database(str(make_url(of.url(name)).set(username=user)), of.dsn(name))
    if user != of.user:
        database.migrate()
        database.add_worker()
    try:
        yield database
    finally:
        with psycopg.connect(of.dsn(), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Database]:
    """A SQLite file in order, with a worker."""
    path = tmp_path / "app.db"
    database = Database(f"sqlite:///{path}")
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode = WAL")
    database.migrate()
    database.add_worker()
    path.chmod(0o600)
    yield database
    database.engine.dispose()
