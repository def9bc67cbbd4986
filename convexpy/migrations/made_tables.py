"""The tables that convexpy made from the user's models: the only ones it ever proposes to drop."""

from __future__ import annotations

import json
from collections.abc import Iterable

from sqlalchemy import Connection, Dialect, inspect

from ..database.tables import metadata_table
from .metadata import read_note, write_note

KEY = "made_tables"


def key_of(name: str, schema: str | None, dialect: Dialect) -> str:
    """A table's name, with its schema unless that is the default one."""
    return f"{schema}.{name}" if schema and schema != dialect.default_schema_name else name


def made_tables(connection: Connection) -> set[str]:
    if not inspect(connection).has_table(metadata_table.name):
        return set()
    return set(json.loads(read_note(connection, KEY) or "[]"))


def remember_made_tables(connection: Connection, tables: Iterable[str]) -> None:
    write_note(connection, KEY, json.dumps(sorted(tables)))
