"""The two connections of a copy: a read-only snapshot of the source, and one transaction on the target."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, func, select
from sqlalchemy.exc import DBAPIError

from ..database.postgres.connection import make_engine, with_driver
from ..database.sqlite.write_lock import WriteLock
from ..database.transaction import begin, take_begin
from ..database.url import shown_url
from ..errors import DatabaseError
from ..settings import Settings

LOCK_SECONDS: Final = 60


@contextmanager
def snapshot(url: URL, settings: Settings) -> Iterator[Connection]:
    """A database as of one moment, whatever other clients commit meanwhile.

    Raises:
        DatabaseError: It cannot be opened.
    """
    statement = "BEGIN" if is_sqlite(url) else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
    with engine_of(url, settings, read_only=True) as engine, begun(engine, statement) as connection:
        yield connection


@contextmanager
def one_transaction(url: URL, settings: Settings) -> Iterator[Connection]:
    """A transaction that is committed at the end of the block, and rolled back after an error.

    Raises:
        DatabaseError: The database cannot be opened, or its write lock is not free in time.
    """
    statement = "BEGIN IMMEDIATE" if is_sqlite(url) else "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
    with engine_of(url, settings, read_only=False) as engine, write_lock(url), begun(engine, statement) as connection:
        yield connection
        connection.commit()


@contextmanager
def engine_of(url: URL, settings: Settings, *, read_only: bool) -> Iterator[Engine]:
    if is_sqlite(url):
        engine = sqlite_engine(url, read_only)
    else:
        engine = make_engine(with_driver(url), settings, poolclass=NullPool)
    try:
        yield engine
    finally:
        engine.dispose()


def sqlite_engine(url: URL, read_only: bool) -> Engine:
    """Foreign keys are off: references are checked at the end, all at once."""
    file = f"{Path(str(url.database)).absolute().as_uri()}?mode={'ro' if read_only else 'rw'}"
    connect = partial(sqlite3.connect, file, LOCK_SECONDS, uri=True)
    engine = create_engine(url, poolclass=NullPool, creator=connect, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def prepare(driver: sqlite3.Connection, record: object) -> None:
        driver.isolation_level = None
        for pragma in ("foreign_keys = OFF", "trusted_schema = OFF", "synchronous = FULL", "fullfsync = ON"):
            driver.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(take_begin(connection.info))

    return engine


@contextmanager
def begun(engine: Engine, statement: str) -> Iterator[Connection]:
    """A connection in a transaction, which is rolled back unless it is committed."""
    try:
        connection = engine.connect()
    except DBAPIError as error:
        raise cannot_open(engine, error) from error
    with connection:
        try:
            begin(connection, statement)
            if connection.dialect.name == "postgresql":
                without_limits(connection)
        except DBAPIError as error:
            raise cannot_open(engine, error) from error
        yield connection


@contextmanager
def write_lock(url: URL) -> Iterator[None]:
    """On SQLite, the write lock: no other process of convexpy writes to the file meanwhile."""
    if not is_sqlite(url):
        yield
        return
    lock = WriteLock(Path(str(url.database)).absolute())
    try:
        if not lock.acquire(LOCK_SECONDS):
            raise DatabaseError(f"{url.database}: another process kept the write lock for {LOCK_SECONDS} s. Try again")
        try:
            yield
        finally:
            lock.release()
    finally:
        lock.close()


def without_limits(connection: Connection) -> None:
    """No limits, as a copy may take long. Times without a zone are UTC."""
    version: Any = connection.dialect.server_version_info
    limits = ["lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"]
    for limit in limits + (["transaction_timeout"] if version >= (17,) else []):
        connection.exec_driver_sql(f"SET LOCAL {limit} = 0")
    connection.exec_driver_sql("SET LOCAL TIME ZONE 'UTC'")


def now_of(connection: Connection) -> datetime:
    """The clock of the workers' heartbeats: the server's, or this machine's."""
    if connection.dialect.name != "postgresql":
        return datetime.now(UTC)
    now: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return now


def is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def cannot_open(engine: Engine, error: DBAPIError) -> DatabaseError:
    return DatabaseError(f"{shown_url(engine.url)}: {str(error.orig).strip()}")
