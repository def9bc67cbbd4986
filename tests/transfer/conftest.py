"""The databases that a copy is made from and into."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from migrations.databases import never, sqlite_engine
from servers.shared import drop, execute, new_database
from sqlalchemy import URL, Engine

from convexpy.migrations.dev_sync import sync_tables
from convexpy.migrations.framework import migrate

from .everything import METADATA


@pytest.fixture
def postgresql() -> Iterator[URL]:
    """An empty PostgreSQL database."""
    url = new_database()
    execute(f"ALTER DATABASE {url.database} SET timezone = 'Asia/Tokyo'")  # which must not matter
    yield url
    drop(url)


@pytest.fixture(scope="session")
def source_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database with the models' tables."""
    path = tmp_path_factory.mktemp("template") / "source.db"
    engine = sqlite_engine(path)
    migrate(engine)
    sync_tables(engine, METADATA, never)
    return path


@pytest.fixture
def source(tmp_path: Path, source_template: Path) -> Engine:
    """A copy of it."""
    return sqlite_engine(Path(shutil.copyfile(source_template, tmp_path / "source.db")))


@pytest.fixture
def empty(tmp_path: Path) -> URL:
    """An empty SQLite database."""
    engine = sqlite_engine(tmp_path / "empty.db")
    engine.connect().close()
    return engine.url
