"""Small things that the framework remembers in the database, by name."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select

from ..database.tables import notes


def read_note(connection: Connection, key: str) -> str | None:
    """What was last written under this name, or None."""
    return connection.execute(select(notes.c.value).where(notes.c.key == key)).scalar()


def write_note(connection: Connection, key: str, value: str) -> None:
    """Remember this, in place of what was there."""
    connection.execute(delete(notes).where(notes.c.key == key))
    connection.execute(insert(notes).values(key=key, value=value))
