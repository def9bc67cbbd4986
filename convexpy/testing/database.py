"""A throw-away SQLite database for one test, migrated once per process and then copied; and what marks one."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final

from sqlalchemy import URL, Connection, MetaData, NullPool, create_engine, inspect
from sqlalchemy.orm import Session

from ..database.database import connect
from ..database.tables import metadata_table
from ..errors import DatabaseError
from ..migrations.framework import current_revision, migrate
from ..migrations.metadata import read_value, write_value
from ..settings import Settings

MADE_BY: Final = "made_by"
TESTS: Final = "convexpy.testing"
_templates: dict[int, tuple[MetaData | None, Path]] = {}
_folder: Path | None = None


def copy_of_template(metadata: MetaData | None, folder: Path) -> Path:
    """A fresh database file with the framework's tables and the app's."""
    known = _templates.get(id(metadata))
    if known is None:
        # The metadata itself is kept as well, so that its id stays its own.
        known = _templates[id(metadata)] = (metadata, make_template(metadata))
    copy = folder / "test.db"
    shutil.copyfile(known[1], copy)
    return copy


def make_template(metadata: MetaData | None) -> Path:
    global _folder
    if _folder is None:
        _folder = Path(tempfile.mkdtemp(prefix="convexpy-templates-"))
        atexit.register(shutil.rmtree, _folder, ignore_errors=True)
    path = _folder / f"{len(_templates)}.db"
    create_tables(f"sqlite:///{path}", metadata)
    return path


def create_tables(url: str | URL, metadata: MetaData | None) -> None:
    """The framework's tables, by its migrations, and the app's. The database is marked as one of tests.

    Raises:
        DatabaseError: It has the framework's tables already, and no test made them: its jobs are those of an app.
    """
    database = connect(url, Settings(sqlite_synchronous="NORMAL"))
    try:
        with database.ddl() as connection:
            if current_revision(connection) is None:
                migrate(connection)
                write_value(connection, MADE_BY, TESTS)
            elif not is_test_database(connection):
                raise DatabaseError(
                    f"{database.url.render_as_string(hide_password=True)} is the database of an app: a test would run "
                    "its jobs, and purge them. Leave `database_url` out, or name a file that does not exist yet"
                )
            if metadata is not None:
                metadata.create_all(connection)
    finally:
        database.close()


def is_test_database(connection: Connection) -> bool:
    """Whether a ConvexTest made this database, or the one that it is a copy of."""
    return inspect(connection).has_table(metadata_table.name) and read_value(connection, MADE_BY) == TESTS


class ArrangingSession(Session):
    """A session for arranging and asserting. As a context manager it commits at the end of the block."""

    def __init__(self, url: URL, on_commit: Callable[[], None]) -> None:
        """``on_commit`` is called after every commit, which leaves no row in the commit log."""
        super().__init__(create_engine(url, poolclass=NullPool), expire_on_commit=False)
        self._on_commit = on_commit

    def commit(self) -> None:
        super().commit()
        self._on_commit()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.commit()
        super().__exit__(kind, error, trace)
