"""An empty database for every test, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from servers.shared import drop, new_database
from sqlalchemy import URL, Engine, NullPool, create_engine, inspect

from convexpy.migrations.framework import migrate

from .databases import sqlite_engine


@pytest.fixture(scope="session")
def server_database() -> Iterator[URL]:
    """One PostgreSQL database for all tests of a process: to empty it is quicker than to make another."""
    url = new_database()
    yield url
    drop(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """An empty database."""
    fixture: Engine = request.getfixturevalue("sqlite" if request.param == "sqlite" else "postgresql")
    return fixture


@pytest.fixture
def postgresql(server_database: URL) -> Iterator[Engine]:
    """An empty PostgreSQL database."""
    engine = create_engine(server_database, isolation_level="SERIALIZABLE", poolclass=NullPool)
    yield engine
    with engine.begin() as connection:
        for schema in inspect(connection).get_schema_names():
            if schema != "information_schema":
                connection.exec_driver_sql(f'DROP SCHEMA "{schema}" CASCADE')
        connection.exec_driver_sql("CREATE SCHEMA public")


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
    """A SQLite database with the framework's tables."""
    migrate(sqlite)
    return sqlite


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the revisions, with a name that needs quoting."""
    return tmp_path / "my migrations, 100%"
