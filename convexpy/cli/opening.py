"""Open a project's app or database for a command, and close it afterwards."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..errors import DatabaseError
from .failure import Failure

if TYPE_CHECKING:
    from sqlalchemy import URL, Engine

    from ..app import Convex
    from ..functions.load import App
    from ..project import Project

LOCK_SECONDS: Final = 60


def loaded(project: Project) -> App:
    """The app of a project, without its database.

    Raises:
        LoadError: The app has problems. All are listed.
    """
    from ..app import checked_app

    leave_libraries_to_the_end()
    project.put_on_path()
    with quiet():
        return checked_app(project.functions, project.settings)


@contextmanager
def opened(path: Path, database: str | None) -> Iterator[Convex]:
    """The app of the project at a folder, on an existing, migrated database, for one command."""
    from ..migrations.framework import check_revision
    from ..project import load_project

    project = load_project(path, database=database)
    refuse_missing_file(project)
    convex = open_app(project)
    try:
        with convex.database.read_internal() as connection:
            check_revision(connection)
        yield convex
    finally:
        convex.close()


def refuse_missing_file(project: Project) -> None:
    """SQLite would create an empty database under a mistyped name."""
    url = database_url(project)
    if url.get_backend_name() == "sqlite" and url.database and not Path(url.database).exists():
        raise Failure(
            f"there is no database {url.database}",
            "`convexpy dev` creates one for development, `convexpy db upgrade` creates the configured one.",
        )


def database_url(project: Project) -> URL:
    """The URL of the project's database.

    Raises:
        DatabaseError: It is not a URL.
    """
    from ..database.url import read_url

    return read_url(project.database)


def open_app(project: Project) -> Convex:
    """Load the project's app and connect it to its database.

    Raises:
        LoadError: The app has problems. All are listed.
        DatabaseError: The database cannot be used.
        SettingsError: The project's tables cannot be found.
    """
    from ..app import Convex

    leave_libraries_to_the_end()
    with quiet():
        return Convex.of_project(project)


@contextmanager
def migrating(project: Project) -> Iterator[Engine]:
    """An engine for changes to the tables of the project's database, which is created if it is a missing file.

    Raises:
        DatabaseError: The database cannot be used.
    """
    from ..database.database import connect

    leave_libraries_to_the_end()
    project.make_state_folder()
    database = connect(project.database, project.settings)
    database.close()  # opened to check that it can be used
    with schema_engine(database.url) as engine:
        yield engine


@contextmanager
def schema_engine(url: URL) -> Iterator[Engine]:
    """An engine for changes to tables. On a SQLite file its connections hold the write lock."""
    from sqlalchemy import NullPool, create_engine
    from sqlalchemy.exc import NoSuchModuleError

    try:
        engine = create_engine(url, poolclass=NullPool, hide_parameters=True)
    except (NoSuchModuleError, ImportError) as error:
        raise DatabaseError(f"{url.get_backend_name()!r} databases cannot be used here: {error}") from error
    with holding_write_lock(engine) if engine.dialect.name == "sqlite" and url.database else nullcontext():
        try:
            yield engine
        finally:
            engine.dispose()


@contextmanager
def holding_write_lock(engine: Engine) -> Iterator[None]:
    """Hold the write lock of a SQLite file for as long as a connection of this engine is open."""
    from sqlalchemy import event

    from ..database.sqlite.write_lock import WriteLock

    lock = WriteLock(Path(str(engine.url.database)))

    @event.listens_for(engine, "connect")
    def take(*_: object) -> None:
        if not lock.acquire(LOCK_SECONDS):
            raise DatabaseError(
                f"{engine.url.database}: other processes held the write lock for {LOCK_SECONDS} s. Try again"
            )

    @event.listens_for(engine, "close")
    def give(*_: object) -> None:
        lock.release()

    try:
        yield
    finally:
        lock.close()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Python from printing the app's warnings: each command shows them in its own way."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module="convexpy")
        yield


@cache
def leave_libraries_to_the_end() -> None:
    """Let the garbage collector skip what the imports of libraries have made, which lives as long as the process.

    To traverse it takes a tenth of a second, and Python does so at the end of every process. Once a process: `dev`
    shall not keep the versions of an app that it has reloaded.
    """
    gc.freeze()
