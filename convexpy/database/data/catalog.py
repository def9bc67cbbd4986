"""The catalog of either database: its tables, and what one of them consists of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from sqlalchemy import Table

from ...errors import ConvexError
from . import postgres_catalog, sqlite_catalog
from .listing import Listed
from .reading import Reading
from .shape import Shape

Models = Mapping[tuple[str | None, str], Table]
"""The tables that the app and the framework declare, by schema and name."""

# Who may look at tables need not be able to pass for others: to forge a cursor, or to test guesses of a key.
HIDDEN: Final[Mapping[str, frozenset[str]]] = {
    "_convexpy_keys": frozenset(("digest",)),
    "_convexpy_requests": frozenset(("digest", "result")),
    "_convexpy_metadata": frozenset(("value",)),
}


def list_tables(reading: Reading) -> list[Listed]:
    """Every table and view that may be read, with about how many rows it has."""
    return sqlite_catalog.list_tables(reading) if reading.is_sqlite else postgres_catalog.list_tables(reading)


def read_shape(reading: Reading, title: str, models: Models) -> Shape:
    """What a table consists of, without columns that are secrets.

    Args:
        title: Its name, with its schema unless that is the default one.
        models: What is known of tables besides.

    Raises:
        ConvexError: There is no such table (NOT_FOUND).
    """

    def find_model(schema: str | None, name: str) -> Table | None:
        return models.get((schema, name))

    read = sqlite_catalog.read_shape if reading.is_sqlite else postgres_catalog.read_shape
    shape = read(reading, title, find_model)
    if shape is None:
        raise ConvexError("NOT_FOUND", f"there is no table {title!r}")
    hidden = HIDDEN.get(shape.name, frozenset()) if shape.is_framework else frozenset()
    return replace(shape, columns=tuple(each for each in shape.columns if each.name not in hidden))
