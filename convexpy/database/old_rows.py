"""Deletes the oldest rows of a table, a batch at a time."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, Table, any_, bindparam, delete, func, literal_column, select

from .statement import Statement
from .types import Timestamp


class OldRows:
    """Of one table, by a column of times that an index begins with."""

    def __init__(self, table: Table, time: Column[datetime]) -> None:
        rowid: Any = literal_column(f"{table.name}.rowid")
        ctid: Any = literal_column(f"{table.name}.ctid")
        old = select(time).where(time < bindparam("before", type_=Timestamp)).order_by(time).limit(bindparam("limit"))
        self._on_sqlite = Statement(delete(table).where(rowid.in_(old.with_only_columns(rowid))))
        # Rows that another worker is purging are skipped.
        found = old.with_only_columns(ctid).with_for_update(skip_locked=True).scalar_subquery()
        self._on_postgres = Statement(delete(table).where(ctid == any_(func.array(found))))

    def delete(self, connection: Connection, before: datetime, limit: int) -> int:
        """Delete up to ``limit`` rows from before a time, the oldest first. How many."""
        statement = self._on_postgres if connection.dialect.name == "postgresql" else self._on_sqlite
        return statement.execute(connection, {"before": before, "limit": limit}).rowcount
