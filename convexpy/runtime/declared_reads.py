"""``@query(reads=[Message, User.name])``: the tables that a query says it reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import FromClause, Table, inspect
from sqlalchemy.exc import NoInspectionAvailable
from sqlalchemy.orm import Mapper


def declared_tables(reads: Iterable[object], default_schema: str | None = None) -> Iterator[str]:
    """The names of the tables, with their schema if it is not the default.

    A column stands for its table: which rows were read is not known from it.

    Raises:
        ValueError: Something is neither a mapped class, nor an attribute of one, nor a table.
    """
    for declared in reads:
        found = list(tables_of(declared))
        if not found:
            raise ValueError(f"{declared!r} is neither a mapped class, nor an attribute of one, nor a table")
        for table in found:
            yield table.name if table.schema in (None, default_schema) else f"{table.schema}.{table.name}"


def tables_of(declared: object) -> Iterator[Table]:
    if isinstance(declared, Table):
        yield declared
        return
    try:
        inspected: Any = inspect(declared)
    except NoInspectionAvailable:
        inspected = declared
    # An attribute, an alias and a mapped class each know their mapper; a column only its table.
    mapper = inspected if isinstance(inspected, Mapper) else getattr(inspected, "parent", None)
    mapper = getattr(mapper, "mapper", mapper)
    if isinstance(mapper, Mapper):
        yield from (table for table in mapper.tables if isinstance(table, Table))
        return
    table = getattr(inspected, "table", None)
    if isinstance(table, FromClause) and isinstance(table, Table):
        yield table
