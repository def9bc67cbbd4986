"""What SQLite's result codes mean: a conflict, a failure of the machine, or a developer's mistake."""

from __future__ import annotations

import sqlite3

from ..errors import text_of

# Primary result codes (the low byte) that are not due to the statement.
CONFLICTS = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
INTERNAL = CONFLICTS | {
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


def is_conflict(error: sqlite3.Error) -> bool:
    return result_code(error) in CONFLICTS or any(words in text_of(error) for words in CONFLICT_WORDS)


def is_internal(error: sqlite3.Error) -> bool:
    return is_conflict(error) or result_code(error) in INTERNAL


def result_code(error: sqlite3.Error) -> int | None:
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF
