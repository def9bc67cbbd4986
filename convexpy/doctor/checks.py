"""All checks of a database, one after the other. They change nothing and lock nothing."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, MetaData, NullPool, create_engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ..database.postgres.connection import with_driver
from ..database.url import shown_url
from ..errors import DatabaseError
from ..functions.registry import Registry
from ..migrations.framework import HEAD, current_revision
from ..settings import Settings
from . import address, code, connections, file, indexes, network, queue, server, slots
from .finding import Finding, note
from .target import Check, Target

CONNECT_SECONDS: Final = "5"
INSTRUCTIONS: Final = 10_000
"""After so many steps of SQLite's machine it is asked whether there is time left."""

OF_A_FILE: Final[tuple[Check, ...]] = (
    file.check_library,
    file.check_modes,
    file.check_log,
    file.check_drive,
    file.check_permissions,
    file.check_pages,
)
OF_A_SERVER: Final[tuple[Check, ...]] = (
    server.check_version,
    server.check_writable,
    server.check_durability,
    server.check_failover,
    slots.check_slots,
    slots.check_open,
    server.check_predicate_locks,
    server.check_isolation,
    server.check_timeouts,
    network.check_keepalives,
    network.check_pooler,
    network.check_clock,
    network.check_notifications,
    server.check_privileges,
    queue.check_horizon,
)


def run_checks(
    url: URL,
    settings: Settings,
    metadata: MetaData | None = None,
    seconds: float = 2.0,
    *,
    registry: Registry | None = None,
    migrations: Path | None = None,
    limit: float | None = None,
) -> list[Finding]:
    """The findings of every check on a database.

    Args:
        url: The database.
        settings: The settings that it is used with.
        metadata: The app's tables.
        seconds: How long to measure the rate of transactions on PostgreSQL.
        registry: The app's functions. None: pending jobs are not checked.
        migrations: The folder of the app's revisions. None: they are not checked.
        limit: After so many seconds a check is given up: a statement on PostgreSQL, everything that is left on SQLite.

    Raises:
        DatabaseError: The database does not exist or refuses the connection.
    """
    if limit is not None:
        url = with_patience(url)
    with connected(url) as connection:
        is_postgres = connection.dialect.name == "postgresql"
        if limit is not None:
            limit_time(connection, limit)
        rows = connection.exec_driver_sql("SELECT name, setting FROM pg_settings").all() if is_postgres else []
        server = {row.name: row.setting for row in rows}
        return list(findings(Target(connection, settings, metadata, seconds, registry, migrations, server)))


def check_code(url: URL, settings: Settings, registry: Registry, migrations: Path) -> list[Finding]:
    """What the code and the database expect of each other, and nothing else.

    Raises:
        DatabaseError: The database does not exist or refuses the connection.
    """
    with connected(with_patience(url)) as connection:
        target = Target(connection, settings, registry=registry, migrations=migrations)
        is_current = current_revision(connection) == HEAD  # otherwise jobs cannot be read
        checks: list[Check] = [code.check_revisions, *([code.check_jobs] if is_current else [])]
        return [finding for check in checks for finding in run_check(check, target)]


def with_patience(url: URL) -> URL:
    """The same, for a caller who does not wait long for a server that is away."""
    if url.get_backend_name() != "postgresql":
        return url
    return url.update_query_dict({"connect_timeout": url.query.get("connect_timeout", CONNECT_SECONDS)})


def limit_time(connection: Connection, seconds: float) -> None:
    """Give up what takes longer: each statement on PostgreSQL, everything after so many seconds on SQLite."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET statement_timeout = {round(seconds * 1000)}")
        return
    until, driver = time.monotonic() + seconds, connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    driver.set_progress_handler(lambda: time.monotonic() > until, INSTRUCTIONS)


def findings(target: Target) -> Iterator[Finding]:
    is_postgres = target.is_postgres
    for check in OF_A_SERVER if is_postgres else OF_A_FILE:
        yield from run_check(check, target)
    tables = list(run_check(queue.check_revision, target))
    yield from tables
    yield from run_check(code.check_revisions, target)
    if all(finding.mark == "ok" for finding in tables):
        yield from run_check(queue.check_workers, target)
        yield from run_check(code.check_jobs, target)
        if is_postgres:
            yield from run_check(connections.check_connections, target)
            yield from run_check(queue.check_dead_rows, target)
    yield from run_check(indexes.check_foreign_keys, target)
    yield from run_check(address.check_address, target)
    if is_postgres:
        yield from run_check(indexes.check_scans, target)


def run_check(check: Check, target: Target) -> Iterator[Finding]:
    """The findings of one check, or a note that it failed: the other checks are useful all the same."""
    try:
        yield from check(target)
    except (SQLAlchemyError, OSError) as error:
        name = check.__name__.removeprefix("check_").replace("_", " ")
        message = str(error.orig if isinstance(error, DBAPIError) else error).splitlines()[0]
        yield note(name, f"this check failed: {message}", "", "Check it by hand, or as another user")


@contextmanager
def connected(url: URL) -> Iterator[Connection]:
    """A new connection in autocommit mode."""
    try:
        is_file = url.get_backend_name() == "sqlite"
        engine = file_engine(url) if is_file else server_engine(url)
        engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        connection = engine.connect()
        connection.exec_driver_sql("PRAGMA schema_version" if engine.name == "sqlite" else "SELECT 1").all()
    except SQLAlchemyError as error:
        message = str(error.orig if isinstance(error, DBAPIError) else error)
        raise DatabaseError(f"{shown_url(url)}: {' '.join(message.split())}") from error
    with connection:
        yield connection


def server_engine(url: URL) -> Engine:
    return create_engine(with_driver(url), poolclass=NullPool, hide_parameters=True)


def file_engine(url: URL) -> Engine:
    """An engine that only reads a SQLite file: closing an ordinary connection writes, without the write lock."""
    path = Path(str(url.database)).absolute()

    def open_file() -> Any:
        return sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)

    return create_engine(url.set(database=str(path)), poolclass=NullPool, creator=open_file)
