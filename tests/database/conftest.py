"""A database of its own for every test: a SQLite file, and PostgreSQL too where CONVEXPY_TEST_POSTGRESQL names one."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from servers.shared import drop, execute, new_database
from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, make_url

from convexpy.migrations.dev_sync import sync_tables
from convexpy.migrations.framework import migrate

from .everything import METADATA
from .shop import never

POSTGRESQL = os.environ.get("CONVEXPY_TEST_POSTGRESQL")


@pytest.fixture(params=["sqlite", *(["postgresql"] if POSTGRESQL else [])])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An empty database."""
    if request.param == "sqlite":
        engine = sqlite_engine(tmp_path / "test.db")
        yield engine
        engine.dispose()
    else:
        yield from postgresql_engine()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Engine]:
    """An empty SQLite database, for what only SQLite does."""
    engine = sqlite_engine(tmp_path / "test.db")
    yield engine
    engine.dispose()


@pytest.fixture
def database(engine: Engine) -> Engine:
    """A database with the framework's tables."""
    migrate(engine)
    return engine


@pytest.fixture
def sqlite_database(sqlite: Engine) -> Engine:
    """The same on SQLite only."""
    migrate(sqlite)
    return sqlite


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where revisions are, under a name that is not easy."""
    return tmp_path / "my migrations, 100%"


@pytest.fixture
def postgresql() -> Iterator[URL]:
    """An empty PostgreSQL database."""
    url = new_database()
    execute(f"ALTER DATABASE {url.database} SET timezone = 'Asia/Tokyo'")  # which must not matter
    yield url
    drop(url)


@pytest.fixture
def source(tmp_path: Path) -> Engine:
    """A SQLite database with the models' tables."""
    engine = sqlite_engine(tmp_path / "source.db")
    migrate(engine)
    sync_tables(engine, METADATA, never)
    return engine


@pytest.fixture
def empty(tmp_path: Path) -> URL:
    """An empty SQLite database."""
    engine = sqlite_engine(tmp_path / "empty.db")
    engine.connect().close()
    return engine.url


def sqlite_engine(path: Path, busy_milliseconds: int = 30_000) -> Engine:
    """Connections like the framework's own: foreign keys on, WAL, and BEGIN IMMEDIATE."""
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)

    @event.listens_for(engine, "connect")
    def prepare(driver: sqlite3.Connection, record: object) -> None:
        driver.isolation_level = None
        for pragma in (f"busy_timeout = {busy_milliseconds}", "foreign_keys = ON", "journal_mode = WAL"):
            driver.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def postgresql_engine() -> Iterator[Engine]:
    assert POSTGRESQL
    name = f"convexpy_test_{uuid4().hex}"
    server = create_engine(POSTGRESQL, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with server.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine = create_engine(make_url(POSTGRESQL).set(database=name), isolation_level="SERIALIZABLE", poolclass=NullPool)
    try:
        yield engine
    finally:
        with server.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
