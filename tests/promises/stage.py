"""What the tests stand on: when they begin, apps made on the spot, and a database that is in trouble."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import ModuleType

from sqlalchemy import NullPool, create_engine, make_url
from sqlalchemy.exc import OperationalError

from convexpy import ConvexError

START = datetime(2030, 1, 7, 12, tzinfo=UTC)  # a Monday


def app_of(*functions: object, **members: object) -> ModuleType:
    """An app that is one file, made of functions and of whatever else is given by name."""
    module = ModuleType("made")
    for function in functions:
        members[function.__name__] = function  # type: ignore[attr-defined]
    vars(module).update(members)
    return module


def a_conflict() -> OperationalError:
    """The error by which a database says that another transaction was in the way."""
    return OperationalError("UPDATE notes", {}, sqlite3.OperationalError("database is locked"))


def a_disk_error() -> OperationalError:
    """The error by which a database says that the machine under it failed."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR
    return OperationalError("UPDATE notes", {}, error)


@contextmanager
def write_lock(url: str) -> Iterator[None]:
    """Somebody else writes, and does not end. Reading goes on."""
    if url.startswith("postgresql"):
        with create_engine(url, poolclass=NullPool).begin() as connection:
            connection.exec_driver_sql("LOCK TABLE notes IN EXCLUSIVE MODE")
            yield
        return
    other = sqlite3.connect(str(make_url(url).database), isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
    finally:
        other.close()


class Unlucky:
    """Raises the errors it was given, one at each ``strike``, and then none."""

    def __init__(self) -> None:
        self.errors: list[BaseException] = []
        self.strikes = 0

    def strike(self) -> None:
        self.strikes += 1
        if self.errors:
            raise self.errors.pop(0)

    def reset(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.strikes = 0


def code_of(error: ConvexError) -> tuple[str, int]:
    """The code of an error and its HTTP status."""
    return error.code, error.status
