"""The key of a database with which cursors are signed: one for all processes that share it, made by its migration."""

from __future__ import annotations

from typing import Final
from weakref import WeakKeyDictionary

from sqlalchemy import select

from ..errors import DatabaseError
from .database import Database
from .tables import metadata_table

CURSOR_KEY: Final = "cursor_key"
READ: Final = select(metadata_table.c.value).where(metadata_table.c.key == CURSOR_KEY)

_keys: Final[WeakKeyDictionary[Database, bytes]] = WeakKeyDictionary()


def cursor_key(database: Database) -> bytes:
    """The key, which is read once a process.

    Raises:
        DatabaseError: There is none.
    """
    if (known := _keys.get(database)) is not None:
        return known
    with database.read_internal() as connection:  # in the snapshot of a query, that would count as read by it
        value = connection.execute(READ).scalar()
    if value is None:
        raise DatabaseError("the database has no key for cursors: its table _convexpy_metadata has lost a row")
    return _keys.setdefault(database, bytes.fromhex(value))
