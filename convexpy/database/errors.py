"""What a database error means: a conflict or a failure, which are worth another try, or a developer's mistake."""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ..errors import DatabaseError
from . import postgres_errors, sqlite_errors
from .footprint import footprint


class LockTimeout(Exception):
    """Other transactions held the write lock for too long: a conflict."""


class ConnectionLost(Exception):
    """A connection broke, and the driver or SQLAlchemy raised no fitting error."""


class DatabaseGone(DatabaseError):
    """The files of the database are not those that were opened. No retry helps; jobs wait until they are back."""


class SerializableLimitExceeded(Exception):
    """The transaction was open for so long that the server may have missed its conflicts: counts as a conflict."""


def is_conflict(error: BaseException) -> bool:
    """Whether the error is due to other transactions: the same work may succeed a moment later."""
    if isinstance(error, LockTimeout | SerializableLimitExceeded):
        return True
    driver = driver_error(error)
    if isinstance(driver, sqlite3.Error):
        return sqlite_errors.is_conflict(driver)
    return driver is not None and postgres_errors.is_conflict(driver)


def is_internal(error: BaseException) -> bool:
    """Whether the error is not the calling code's: a conflict, a broken connection, a full disk, …"""
    if isinstance(error, LockTimeout | SerializableLimitExceeded | ConnectionLost | DatabaseGone | PoolTimeout):
        return True
    driver = driver_error(error)
    if isinstance(driver, sqlite3.Error):
        return sqlite_errors.is_internal(driver)
    return driver is not None and postgres_errors.is_internal(driver)


def conflict_table(error: BaseException, cause: BaseException) -> str | None:
    """The table of a conflict, if the error names it, or else the statement that waited for a row's lock."""
    driver = driver_error(cause)
    if driver is None or isinstance(driver, sqlite3.Error):
        return None
    if (named := postgres_errors.conflict_table(driver)) is not None:
        return named
    failing = failing_statement(error) if postgres_errors.is_about_rows(driver) else None
    written = footprint(failing).writes if failing is not None else frozenset()
    return min(written) if len(written) == 1 else None


def failing_statement(error: BaseException | None) -> str | None:
    """The statement that caused an error, also below exceptions that a handler raised from it."""
    while error is not None:
        if isinstance(error, DBAPIError):
            return error.statement
        error = error.__cause__ or error.__context__
    return None


def driver_error(error: BaseException) -> Any:
    """The driver's exception inside SQLAlchemy's. None: the error is not a database's."""
    # The class is asked: an instance of the user's may fail when it is asked for what it has not.
    found = error.orig if isinstance(error, DBAPIError) else error
    return found if isinstance(found, sqlite3.Error) or hasattr(type(found), "sqlstate") else None
