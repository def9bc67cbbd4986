"""Look at everything about a database, one check after the other. Nothing is changed, and nothing is locked."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, MetaData, NullPool, create_engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ..database.postgres.connection import with_driver
from ..errors import DatabaseError
from ..settings import Settings
from . import connections, file, indexes, network, queue, server, slots
from .finding import Finding, note
from .target import Check, Target

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


def examine(url: URL, settings: Settings, metadata: MetaData | None = None, seconds: float = 2.0) -> list[Finding]:
    """Everything there is to say about a database.

    Args:
        url: The database.
        settings: What it is used with.
        metadata: The app's tables, to tell them from others.
        seconds: How long to measure the rate of transactions on PostgreSQL.

    Raises:
        DatabaseError: There is none, or it does not let us in.
    """
    with connected(url) as connection:
        return list(findings(connection, settings, metadata, seconds))


def findings(
    connection: Connection, settings: Settings, metadata: MetaData | None, seconds: float
) -> Iterator[Finding]:
    is_postgres = connection.dialect.name == "postgresql"
    knobs = connection.exec_driver_sql("SELECT name, setting FROM pg_settings").all() if is_postgres else []
    patient = Target(connection, settings, metadata, seconds, {row.name: row.setting for row in knobs})
    for check in OF_A_SERVER if is_postgres else OF_A_FILE:
        yield from tried(check, patient)
    tables = list(tried(queue.check_revision, patient))
    yield from tables
    if all(finding.mark == "ok" for finding in tables):
        yield from tried(queue.check_workers, patient)
        if is_postgres:
            yield from tried(connections.check_connections, patient)
            yield from tried(queue.check_dead_rows, patient)
    yield from tried(indexes.check_foreign_keys, patient)
    if is_postgres:
        yield from tried(indexes.check_scans, patient)


def tried(check: Check, patient: Target) -> Iterator[Finding]:
    """What a check finds, or that it could not be made: the others are worth hearing all the same."""
    try:
        yield from check(patient)
    except (SQLAlchemyError, OSError) as error:
        name = check.__name__.removeprefix("check_").replace("_", " ")
        said = str(error.orig if isinstance(error, DBAPIError) else error).splitlines()[0]
        yield note(name, f"this could not be looked at: {said}", "", "Look at it yourself, or as another user")


@contextmanager
def connected(url: URL) -> Iterator[Connection]:
    """A connection of its own that begins no transaction by itself."""
    try:
        is_file = url.get_backend_name() == "sqlite"
        engine = file_engine(url) if is_file else create_engine(with_driver(url), poolclass=NullPool)
        engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        connection = engine.connect()
        connection.exec_driver_sql("PRAGMA schema_version" if engine.name == "sqlite" else "SELECT 1").all()
    except SQLAlchemyError as error:
        said = error.orig if isinstance(error, DBAPIError) else error
        raise DatabaseError(f"{url.render_as_string(hide_password=True)}: {' '.join(str(said).split())}") from error
    with connection:
        yield connection


def file_engine(url: URL) -> Engine:
    """A SQLite file, only to be read: an ordinary connection would write when it closes, out of turn."""
    path = Path(str(url.database)).absolute()

    def open_file() -> Any:
        return sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)

    return create_engine(url.set(database=str(path)), poolclass=NullPool, creator=open_file)
