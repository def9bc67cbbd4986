"""What a database must be told before rows come with their ids and in any order, and afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Identity, Table, func, inspect, literal, select, text
from sqlalchemy import Sequence as DatabaseSequence
from sqlalchemy.exc import DBAPIError

from ..errors import DatabaseError
from ..migrations.schema_change import broken_references


@contextmanager
def loading(target: Connection, tables: Sequence[Table]) -> Iterator[None]:
    """Rows may refer to rows that come later; every reference has been checked when the block ends.

    Raises:
        DatabaseError: A row refers to one that does not exist.
    """
    if target.dialect.name != "postgresql":
        yield
        for broken, row, parent in sorted(broken_references(target), key=str):
            raise DatabaseError(f"row {row} of {broken} refers to a row of {parent} that does not exist")
        return
    late = list(late_references(target, tables))
    generated = [column for table in tables for column in table.columns if is_always_generated(column)]
    for name, on in late:
        target.exec_driver_sql(f"ALTER TABLE {on} ALTER CONSTRAINT {name} DEFERRABLE INITIALLY DEFERRED")
    for column in generated:
        set_generated(target, column, "BY DEFAULT")
    yield
    try:
        target.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
    except DBAPIError as error:
        raise DatabaseError(f"a row refers to one that does not exist: {str(error.orig).strip()}") from error
    for name, on in late:
        target.exec_driver_sql(f"ALTER TABLE {on} ALTER CONSTRAINT {name} NOT DEFERRABLE")
    for column in generated:
        set_generated(target, column, "ALWAYS")


def late_references(target: Connection, tables: Sequence[Table]) -> Iterator[tuple[str, str]]:
    """The foreign keys to the same table or to one that is loaded later, with their tables, quoted."""
    quote = target.dialect.identifier_preparer
    inspector = inspect(target)
    loaded: set[tuple[str | None, str]] = set()
    for table in tables:
        for key in inspector.get_foreign_keys(table.name, table.schema):
            can_wait = key.get("options", {}).get("deferrable")
            if (key["referred_schema"], key["referred_table"]) not in loaded and not can_wait:
                yield quote.quote(str(key["name"])), quote.format_table(table)
        loaded.add((table.schema, table.name))


def is_always_generated(column: Column[Any]) -> bool:
    return isinstance(column.identity, Identity) and bool(column.identity.always)


def set_generated(target: Connection, column: Column[Any], how: str) -> None:
    quote = target.dialect.identifier_preparer
    on, name = quote.format_table(column.table), quote.format_column(column)
    target.exec_driver_sql(f"ALTER TABLE {on} ALTER COLUMN {name} SET GENERATED {how}")


def set_sequences(source: Connection, target: Connection, table: Table) -> None:
    """Let the next row that is inserted have the next id, and none that a deleted row had, as far as that is known."""
    if target.dialect.name != "postgresql":
        return  # SQLite looks at the rows
    quote = target.dialect.identifier_preparer
    for column in table.columns:
        sequence: Any = None
        if isinstance(column.default, DatabaseSequence):
            sequence = quote.format_sequence(column.default)
        elif column.autoincrement is True or column is table.autoincrement_column or column.identity is not None:
            sequence = target.execute(
                select(func.pg_get_serial_sequence(quote.format_table(table), column.name))
            ).scalar()
        if sequence is None:
            continue
        last = target.execute(select(func.max(column))).scalar()
        last = max(filter(None, [last, last_of_sqlite(source, table)]), default=None)
        if last is not None and last > 0:
            target.execute(select(func.setval(literal(sequence), literal(last, BigInteger), True)))


def last_of_sqlite(source: Connection, table: Table) -> int | None:
    """The last id that an AUTOINCREMENT column gave."""
    if source.dialect.name != "sqlite" or not table.dialect_options["sqlite"]["autoincrement"]:
        return None
    given = text("SELECT seq FROM sqlite_sequence WHERE name = :name")
    return source.execute(given, {"name": table.name}).scalar()
