"""The databases that a copy is made from and into."""

from __future__ import annotations

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
