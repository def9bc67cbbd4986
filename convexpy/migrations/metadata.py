"""The table `_convexpy_metadata`: what convexpy records about the database itself, by key."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from sqlalchemy import Connection, Dialect, delete, insert, inspect, select

from ..database.tables import metadata_table

MADE_TABLES: Final = "made_tables"


def read_value(connection: Connection, key: str) -> str | None:
    return connection.execute(select(metadata_table.c.value).where(metadata_table.c.key == key)).scalar()


def write_value(connection: Connection, key: str, value: str) -> None:
    connection.execute(delete(metadata_table).where(metadata_table.c.key == key))
    connection.execute(insert(metadata_table).values(key=key, value=value))


def read_made_tables(connection: Connection) -> set[str]:
    """The tables that convexpy made from the user's models: the only ones that it ever proposes to drop."""
    if not inspect(connection).has_table(metadata_table.name):
        return set()
    return set(json.loads(read_value(connection, MADE_TABLES) or "[]"))


def write_made_tables(connection: Connection, tables: Iterable[str]) -> None:
    write_value(connection, MADE_TABLES, json.dumps(sorted(tables)))


def key_of(name: str, schema: str | None, dialect: Dialect) -> str:
    """A table's name, with its schema unless that is the default one."""
    return f"{schema}.{name}" if schema and schema != dialect.default_schema_name else name
