"""What a database would do for the statements of a block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, event


@contextmanager
def explained(connection: Connection) -> Iterator[list[str]]:
    """The steps for every SELECT of the block, once it has ended. PostgreSQL scans only what has no index for it."""
    statements: list[tuple[str, Any]] = []
    steps: list[str] = []

    def note(conn: Any, cursor: Any, statement: str, parameters: Any, *rest: Any) -> None:
        if statement.lstrip().upper().startswith("SELECT"):
            statements.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", note)
    yield steps
    event.remove(connection, "before_cursor_execute", note)
    is_sqlite = connection.dialect.name == "sqlite"
    if not is_sqlite:
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
    for statement, parameters in statements:
        explain = f"EXPLAIN {'QUERY PLAN ' if is_sqlite else ''}{statement}"
        steps += [str(row[3 if is_sqlite else 0]) for row in connection.exec_driver_sql(explain, parameters)]


def scanned(steps: list[str], *tables: str) -> list[str]:
    """The steps that read a whole table of ours, besides these."""
    scans = [step for step in steps if ("SCAN" in step or "Seq Scan" in step) and "_convexpy" in step]
    return [step for step in scans if not any(table in step for table in tables)]
