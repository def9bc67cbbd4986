"""What an error of the database means: the developer's mistake, or something that is worth trying again."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError

# Primary result codes of SQLite (the low byte) that say nothing about the statement.
SQLITE_CONFLICTS = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
SQLITE_INTERNAL = SQLITE_CONFLICTS | {
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOTADB,
}
CONFLICT_WORDS = ("database is locked", "database table is locked", "database schema is locked")


class LostTurn(Exception):
    """The turn to write did not come in time, because others kept writing: a conflict."""


def is_conflict(error: BaseException) -> bool:
    """Whether other transactions are to blame: the same work may well succeed a moment later."""
    if isinstance(error, LostTurn):
        return True
    driver = driver_error(error)
    return isinstance(driver, sqlite3.Error) and (
        result_code(driver) in SQLITE_CONFLICTS or any(words in str(driver) for words in CONFLICT_WORDS)
    )


def is_internal(error: BaseException) -> bool:
    """Whether the database or the machine failed, not the code that was running: conflicts, a full disk, …"""
    if is_conflict(error):
        return True
    driver = driver_error(error)
    return isinstance(driver, sqlite3.Error) and result_code(driver) in SQLITE_INTERNAL


def driver_error(error: BaseException) -> BaseException | None:
    """The driver's own exception inside SQLAlchemy's."""
    if isinstance(error, DBAPIError):
        return error.orig
    return error if isinstance(error, sqlite3.Error) else None


def result_code(error: sqlite3.Error) -> int | None:
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF
