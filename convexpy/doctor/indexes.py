"""Look-ups without an index: slow on any database, and on PostgreSQL a source of conflicts.

A serializable transaction that reads a whole table conflicts with every transaction that writes one of its rows. With
an index it reads only the rows that it looks up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import inspect

from ..database.conflict_advice import INDEX_ADVICE, WHOLE_TABLE
from ..database.tables import FRAMEWORK_TABLES
from .finding import Finding, note, ok
from .target import Target

MANY_SCANS: Final = 50
SCANS: Final = """
SELECT relname, seq_scan, coalesce(idx_scan, 0) AS idx_scan, n_live_tup
FROM pg_stat_user_tables WHERE schemaname = current_schema() AND seq_scan > coalesce(idx_scan, 0)
ORDER BY seq_scan DESC
"""


def check_foreign_keys(target: Target) -> Iterator[Finding]:
    """Rows are looked up by their foreign keys: by the app, and by the database when a parent row is deleted."""
    why = (
        "a look-up by it reads the whole table, and conflicts with every transaction that writes to it"
        if target.is_postgres
        else "a look-up by it reads the whole table, while every writer waits"
    )
    all_indexed = True
    for table, columns in unindexed_keys(target):
        all_indexed = False
        yield note("indexes", f"{table}: the foreign key {', '.join(columns)} has no index", why, declaration(columns))
    if all_indexed:
        yield ok("indexes", "every foreign key has an index")


def unindexed_keys(target: Target) -> Iterator[tuple[str, Sequence[str]]]:
    inspector = inspect(target.connection)
    for table in inspector.get_table_names():
        if not is_users(target, table):
            continue
        indexed: list[Sequence[str | None]] = [
            *(each["column_names"] for each in inspector.get_indexes(table) if not is_partial(each)),
            *(each["column_names"] for each in inspector.get_unique_constraints(table)),
            inspector.get_pk_constraint(table)["constrained_columns"],
        ]
        for key in inspector.get_foreign_keys(table):
            columns = key["constrained_columns"]
            if not any(begins_with(index, columns) for index in indexed):
                yield table, columns


def is_users(target: Target, table: str) -> bool:
    """Whether this is one of the app's tables. Without its models, every table that is not the framework's."""
    if target.metadata is not None:
        return table in target.metadata.tables
    return table not in FRAMEWORK_TABLES


def is_partial(index: Any) -> bool:
    return any(option.endswith("_where") for option in index.get("dialect_options", {}))


def begins_with(index: Sequence[str | None], columns: Sequence[str]) -> bool:
    """Whether an index finds rows by these columns, in any order."""
    return set(index[: len(columns)]) == set(columns)


def declaration(columns: Sequence[str]) -> str:
    if len(columns) == 1:
        return f"Write mapped_column(…, index=True) for {columns[0]}"
    names = ", ".join(f'"{column}"' for column in columns)
    return f"Write __table_args__ = (Index(None, {names}),)"


def check_scans(target: Target) -> Iterator[Finding]:
    """Tables that are read as a whole. Small ones matter too: the transaction has read every row."""
    for row in target.connection.exec_driver_sql(SCANS):
        if row.seq_scan >= MANY_SCANS and is_users(target, row.relname):
            yield note(
                "indexes",
                f"{row.relname}: read as a whole {row.seq_scan:,} times, by an index {row.idx_scan:,} times "
                f"({row.n_live_tup:,} rows)",
                WHOLE_TABLE,
                INDEX_ADVICE,
            )
