"""The keys of a database with which texts are signed that clients bring back: its migrations make them.

All processes that share the database have the same ones.
"""

from __future__ import annotations

from typing import Final
from weakref import WeakKeyDictionary

from sqlalchemy import select

from ..errors import DatabaseError
from .database import Database
from .tables import metadata_table

CURSORS: Final = "cursor_key"
SESSIONS: Final = "session_key"

_known: Final[WeakKeyDictionary[Database, dict[str, bytes]]] = WeakKeyDictionary()


def cursor_key(database: Database) -> bytes:
    """The key for cursors, which is read once a process.

    Raises:
        DatabaseError: There is none.
    """
    return stored_key(database, CURSORS)


def session_key(database: Database) -> bytes:
    """The key for sessions of the dashboard, which is read once a process.

    Raises:
        DatabaseError: There is none.
    """
    return stored_key(database, SESSIONS)


def stored_key(database: Database, name: str) -> bytes:
    """The key of this name."""
    known = _known.setdefault(database, {})
    if (key := known.get(name)) is not None:
        return key
    with database.read_internal() as connection:  # in the snapshot of a query, that would count as read by it
        value = connection.execute(select(metadata_table.c.value).where(metadata_table.c.key == name)).scalar()
    if value is None:
        raise DatabaseError(f"the database has no {name}: its table {metadata_table.name} has lost a row")
    return known.setdefault(name, bytes.fromhex(value))
