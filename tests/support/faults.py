"""Errors of a database, on demand."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import NullPool, create_engine, make_url
from sqlalchemy.exc import OperationalError


def a_conflict() -> OperationalError:
    """The error by which a database reports a conflict with another transaction."""
    return OperationalError("UPDATE notes", {}, sqlite3.OperationalError("database is locked"))


def a_disk_error() -> OperationalError:
    """The error by which a database reports that the machine under it failed."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR
    return OperationalError("UPDATE notes", {}, error)


class PlannedErrors:
    """Raises the errors it was given, one at each call of ``raise_next``, and then none."""

    def __init__(self) -> None:
        self.errors: list[BaseException] = []
        self.times = 0

    def raise_next(self) -> None:
        self.times += 1
        if self.errors:
            raise self.errors.pop(0)

    def reset(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.times = 0


@contextmanager
def write_lock(url: str) -> Iterator[None]:
    """Another client's open transaction holds the write lock. Reading goes on."""
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
