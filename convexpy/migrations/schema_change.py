"""The transaction in which tables change: one process at a time, all or nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from ..database.commit_log import log_schema_change
from ..errors import DatabaseError

LOCK_SECONDS: Final = 60
# Any number, the same in every version of convexpy.
ADVISORY_LOCK: Final = 0x636F6E766578


@contextmanager
def connected(bind: Engine | Connection) -> Iterator[Connection]:
    """The connection itself, or one of the engine's for the length of the block."""
    if isinstance(bind, Connection):
        yield bind
    else:
        with bind.connect() as connection:
            yield connection


@contextmanager
def transaction(bind: Engine | Connection) -> Iterator[Connection]:
    """A transaction that ends with the block; or the one that the connection is in, left open."""
    with connected(bind) as connection:
        if connection.in_transaction():
            yield connection
        else:
            with begun(connection):
                yield connection


@contextmanager
def schema_change(bind: Engine | Connection) -> Iterator[Connection]:
    """A transaction that changes tables, while no other process changes any.

    A connection that is in a transaction already is joined, and its owner commits. Changes for which SQLite rebuilds a
    table need a connection that is not: they need foreign keys off, which no transaction can switch.

    Raises:
        DatabaseError: The lock was not free in time, or rows would refer to rows that do not exist.
    """
    with connected(bind) as connection:
        joined = connection.in_transaction()
        with foreign_keys_off(connection), transaction(connection), schema_lock(connection, joined=joined):
            yield connection


@contextmanager
def begun(connection: Connection) -> Iterator[None]:
    """Begin, then commit; or roll back after an error."""
    try:
        begin = connection.begin()
    except OperationalError as error:
        raise lock_timed_out(error) from error
    with begin:
        yield


@contextmanager
def schema_lock(connection: Connection, *, joined: bool = False) -> Iterator[None]:
    """Within a transaction: exclude other processes that change tables; at the end, check references and log it."""
    try:
        acquire_lock(connection, joined)
    except OperationalError as error:
        raise lock_timed_out(error) from error
    before = broken_references(connection)
    yield
    for table, row, parent in sorted(broken_references(connection) - before, key=str):
        raise DatabaseError(
            f"row {row} of {table} would refer to a row of {parent} that does not exist. "
            "Nothing was changed: remove or repair that row first"
        )
    log_schema_change(connection)


def acquire_lock(connection: Connection, joined: bool) -> None:
    if connection.dialect.name == "sqlite":
        if not driver(connection).in_transaction:  # the driver begins by itself only before a write
            connection.exec_driver_sql("BEGIN IMMEDIATE")
    elif connection.dialect.name == "postgresql":
        # After the wait, what the process before has committed must be visible. Only a new transaction can choose that.
        if not joined:
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE")
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": ADVISORY_LOCK})


@contextmanager
def foreign_keys_off(connection: Connection) -> Iterator[None]:
    """On SQLite, outside a transaction: dropping the old copy of a rebuilt table must not cascade to other rows."""
    if connection.dialect.name != "sqlite" or connection.in_transaction() or not foreign_keys(connection):
        yield
        return
    driver(connection).execute("PRAGMA foreign_keys = OFF")
    try:
        yield
    finally:
        if not connection.invalidated:
            driver(connection).execute("PRAGMA foreign_keys = ON")


def foreign_keys(connection: Connection) -> bool:
    """Whether SQLite enforces foreign keys on this connection."""
    return bool(driver(connection).execute("PRAGMA foreign_keys").fetchone()[0])


def require_rebuilding(connection: Connection) -> None:
    """Refuse a transaction in which SQLite cannot rebuild a table without deleting rows that refer to it."""
    if connection.dialect.name == "sqlite" and foreign_keys(connection):
        raise RuntimeError(
            "SQLite changes tables with foreign keys off, and no transaction can switch them: "
            "pass an engine, or a connection that is not in a transaction"
        )


def broken_references(connection: Connection) -> set[tuple[str, object, str]]:
    """On SQLite: the table, row id and parent table of each foreign key without a row to refer to."""
    if connection.dialect.name != "sqlite":
        return set()
    try:
        rows = driver(connection).execute("PRAGMA foreign_key_check").fetchall()
    except sqlite3.OperationalError:  # a foreign key refers to a column that is not unique, which cannot be checked
        return set()
    return {(row[0], row[1], row[2]) for row in rows}


def driver(connection: Connection) -> Any:
    """The driver's own connection, on which SQLAlchemy does not begin a transaction."""
    return connection.connection.driver_connection


def lock_timed_out(error: OperationalError) -> DatabaseError:
    return DatabaseError(
        f"the tables cannot be changed now: {str(error.orig).strip()}. Another process has locked the database: "
        "try again when it is done"
    )
