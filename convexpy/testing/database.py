"""A throw-away database for one test: migrated once per process, then copied."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path
from types import TracebackType

from sqlalchemy import URL, MetaData, NullPool, create_engine
from sqlalchemy.orm import Session

from ..database.database import connect
from ..migrations.framework import migrate
from ..settings import Settings

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
    """The framework's tables, by its migrations, and the app's."""
    database = connect(url, Settings(sqlite_synchronous="NORMAL"))
    try:
        with database.ddl() as connection:
            migrate(connection)
            if metadata is not None:
                metadata.create_all(connection)
    finally:
        database.close()


class ArrangingSession(Session):
    """A session for arranging and asserting. As a context manager it commits at the end of the block."""

    def __init__(self, url: URL) -> None:
        super().__init__(create_engine(url, poolclass=NullPool), expire_on_commit=False)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.commit()
        super().__exit__(kind, error, trace)
