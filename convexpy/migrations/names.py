"""Names of tables, columns, indexes and constraints: what a database takes for the same name, and which it refuses.

SQLite compares names without case; PostgreSQL keeps 63 bytes of a name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from sqlalchemy import Dialect, MetaData, Table
from sqlalchemy.schema import conv

from ..database.tables import FRAMEWORK_TABLES
from ..errors import DatabaseError

POSTGRESQL_BYTES: Final = 63
BETWEEN: Final = "_convexpy_renamed"


def same_but_for_case(one: str, other: str) -> bool:
    return one != other and one.lower() == other.lower()


def stages(old: str, new: str) -> list[str]:
    """The names of a table that is renamed. SQLite has no direct way between two that it takes for one."""
    return [old, BETWEEN, new] if same_but_for_case(old, new) else [old, new]


def name_key(name: str, dialect: Dialect) -> str:
    """Names with the same key are one name to this kind of database."""
    return name.lower() if dialect.name == "sqlite" else name


def refuse_names(metadata: MetaData, dialect: Dialect) -> None:
    """Check the names in the models, before anything is compared or changed.

    Raises:
        DatabaseError: The database takes two of them for one, or would keep a part of one only. All are listed.
    """
    tables = [table for key, table in metadata.tables.items() if key not in FRAMEWORK_TABLES]
    problems = list(equal_names(tables) if dialect.name == "sqlite" else ())
    if dialect.name == "postgresql":
        problems += long_names(tables)
    if problems:
        raise DatabaseError("\n".join(problems))


def equal_names(tables: Iterable[Table]) -> Iterator[str]:
    seen: dict[tuple[str | None, str], str] = {}
    for table in tables:
        other = seen.setdefault((table.schema, table.name.lower()), table.name)
        if other != table.name:
            yield same(f"the tables {other} and {table.name}")
        columns: dict[str, str] = {}
        for column in table.columns:
            other = columns.setdefault(column.name.lower(), column.name)
            if other != column.name:
                yield same(f"the columns {other} and {column.name} of table {table.key}")


def same(what: str) -> str:
    return f"{what} have the same name: SQLite compares names without case. Rename one of them"


def long_names(tables: Iterable[Table]) -> Iterator[str]:
    for table in tables:
        for kind, name in names_of(table):
            # SQLAlchemy shortens what a naming convention makes, but it counts letters.
            is_shortened = isinstance(name, conv) and name.isascii()
            if len(name.encode()) > POSTGRESQL_BYTES and not is_shortened:
                yield (
                    f"{kind} {name!r} of table {table.key!r} is {len(name.encode())} bytes long, and PostgreSQL keeps "
                    f"{POSTGRESQL_BYTES}. Give it a shorter name"
                )


def names_of(table: Table) -> Iterator[tuple[str, str]]:
    things: list[tuple[str, Any]] = [("the name", table.name), ("the schema", table.schema)]
    for column in table.columns:
        things += [("the column", column.name), ("the type", getattr(column.type, "name", None))]
    things += [("the index", index.name) for index in table.indexes]
    things += [("the constraint", constraint.name) for constraint in table.constraints]
    for kind, name in things:
        if isinstance(name, str):
            yield kind, name
