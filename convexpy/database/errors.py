"""What an error of the database means: the developer's mistake, or something that is worth trying again."""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from . import postgres_errors, sqlite_errors
from .footprint import footprint


class LockTimeout(Exception):
    """The turn to write did not come in time, because others kept writing: a conflict."""


class ConnectionLost(Exception):
    """A connection broke while it was being made, so that nothing was begun on it."""


class SerializableLimitExceeded(Exception):
    """The transaction was open for so long that the server can no longer tell what it conflicts with: a conflict."""


def is_conflict(error: BaseException) -> bool:
    """Whether other transactions are to blame: the same work may well succeed a moment later."""
    if isinstance(error, LockTimeout | SerializableLimitExceeded):
        return True
    driver = driver_error(error)
    if isinstance(driver, sqlite3.Error):
        return sqlite_errors.is_conflict(driver)
    return driver is not None and postgres_errors.is_conflict(driver)


def is_internal(error: BaseException) -> bool:
    """Whether the database or the machine failed, not the code that was running: conflicts, a full disk, …"""
    if isinstance(error, LockTimeout | SerializableLimitExceeded | ConnectionLost | PoolTimeout):
        return True
    driver = driver_error(error)
    if isinstance(driver, sqlite3.Error):
        return sqlite_errors.is_internal(driver)
    return driver is not None and postgres_errors.is_internal(driver)


def conflict_table(error: BaseException, cause: BaseException) -> str | None:
    """The table of a conflict, if its error tells: by itself, or by the statement that waited for another's row."""
    driver = driver_error(cause)
    if driver is None or isinstance(driver, sqlite3.Error):
        return None
    if (named := postgres_errors.conflict_table(driver)) is not None:
        return named
    failing = failing_statement(error) if postgres_errors.is_about_rows(driver) else None
    written = footprint(failing).writes if failing is not None else frozenset()
    return min(written) if len(written) == 1 else None


def failing_statement(error: BaseException | None) -> str | None:
    """The statement that an error comes from, whatever a handler made of it since."""
    while error is not None:
        if isinstance(error, DBAPIError):
            return error.statement
        error = error.__cause__ or error.__context__
    return None


def driver_error(error: BaseException) -> Any:
    """The driver's own exception inside SQLAlchemy's. None: it has nothing to do with a database."""
    found = error.orig if isinstance(error, DBAPIError) else error
    return found if isinstance(found, sqlite3.Error) or hasattr(found, "sqlstate") else None
