"""Small things that the framework remembers in the database, by name."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select

from ..database.tables import metadata_table


def read_note(connection: Connection, key: str) -> str | None:
    """What was last written under this name, or None."""
    return connection.execute(select(metadata_table.c.value).where(metadata_table.c.key == key)).scalar()


def write_note(connection: Connection, key: str, value: str) -> None:
    """Remember this, in place of what was there."""
    connection.execute(delete(metadata_table).where(metadata_table.c.key == key))
    connection.execute(insert(metadata_table).values(key=key, value=value))
