"""An empty database for every test, on SQLite and on PostgreSQL."""

from __future__ import annotations

import shutil
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


@pytest.fixture(scope="session")
def server_template() -> Iterator[str]:
    """The name of a PostgreSQL database with the framework's tables. To copy it is quicker than to migrate another."""
    url = new_database()
    migrate(create_engine(url, isolation_level="SERIALIZABLE", poolclass=NullPool))
    yield str(url.database)
    drop(url)


@pytest.fixture(scope="session")
def file_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a file of SQLite."""
    path = tmp_path_factory.mktemp("template") / "migrated.db"
    migrate(sqlite_engine(path))
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Engine:
    """A database with the framework's tables."""
    fixture = "sqlite_database" if request.param == "sqlite" else "postgresql_database"
    engine: Engine = request.getfixturevalue(fixture)
    return engine


@pytest.fixture
def postgresql_database(server_template: str) -> Iterator[Engine]:
    """A PostgreSQL database with the framework's tables."""
    url = new_database(server_template)
    yield create_engine(url, isolation_level="SERIALIZABLE", poolclass=NullPool)
    drop(url)


@pytest.fixture
def sqlite_database(sqlite: Engine, file_template: Path) -> Engine:
    """A SQLite database with the framework's tables."""
    shutil.copyfile(file_template, str(sqlite.url.database))
    return sqlite


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the revisions, with a name that needs quoting."""
    return tmp_path / "my migrations, 100%"
