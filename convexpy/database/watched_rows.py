"""``WatchedTable``: rows of one table, as they were when a transaction came to them first, and as they are now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Integer, Select, Table, and_, func, or_, select

from .row_changes import Row, RowChange, RowChanges, changed_columns
from .written_rows import Key

MOST_ROWS: Final = 100
"""Of one statement, and of one table at the end."""
SMALL_TABLE: Final = 1000
"""A table of up to so many rows is read as a whole where a statement does not tell which rows it writes."""
CHUNK: Final = 100


class WatchedTable:
    """What is known of the rows of one table."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.is_whole = False
        """Every row was read."""
        self._key = list(table.primary_key.columns)
        self._before: dict[Key, Row | None] = {}
        self._highest: Any = None
        self._has_highest = False
        self._unknown: set[str] = set()

    def note_highest(self, connection: Connection) -> None:
        """Remember the largest key, so that rows with larger ones are known to be new."""
        if not self._counts_keys() or self._has_highest or self.is_whole:
            return
        self._has_highest = True
        self._highest = connection.execute(select(func.max(self._key[0]))).scalar()

    def read(self, connection: Connection, rows: Select[Any]) -> None:
        """Read rows that are about to be written."""
        if not self._key:
            self._unknown.add("it has no primary key, so its rows cannot be told apart")
            return
        found = connection.execute(rows.limit(MOST_ROWS + 1)).all()
        if len(found) > MOST_ROWS:
            self._unknown.add(f"a statement writes more than {MOST_ROWS} rows, of which these are the first")
        for row in found[:MOST_ROWS]:
            self._add(self._row(row))

    def read_keys(self, connection: Connection, keys: Sequence[Key]) -> None:
        """Read the rows with these keys, which may be inserted, or be there already."""
        known = self._rows_with(connection, keys)
        for key in keys:
            self._before.setdefault(key, known.get(key))
        if not keys and not self._counts_keys():
            self.read_whole(connection)

    def read_whole(self, connection: Connection) -> None:
        """Read every row, if the table is small."""
        if self.is_whole:
            return
        if not self._key:
            self._unknown.add("it has no primary key, so its rows cannot be told apart")
            return
        found = connection.execute(select(*self.table.columns).limit(SMALL_TABLE + 1)).all()
        if len(found) > SMALL_TABLE:
            self._unknown.add(f"it has more than {SMALL_TABLE:,} rows, and which of them were written is not known")
            self.note_highest(connection)
            return
        for row in found:
            self._add(self._row(row))
        self.is_whole = True

    def changes(self, connection: Connection) -> RowChanges:
        """What has become of the rows."""
        after = self._rows_with(connection, list(self._before))
        new = self._new_rows(connection)
        changes = RowChanges(self.table.name, [column.name for column in self._key])
        for key, before in self._before.items():
            now = after.get(key)
            if before != now:
                changes.add(RowChange.of(key, *changed_columns(before, now)))
        for key, row in {**after, **new}.items():
            if key not in self._before:
                changes.add(RowChange.of(key, None, row))
        changes.unknown += [f"{self.table.name}: {each}" for each in sorted(self._unknown)]
        return changes

    def _add(self, row: Row) -> None:
        key = self._key_of(row)
        is_new = self._has_highest and (self._highest is None or key[0] > self._highest)
        self._before.setdefault(key, None if is_new else row)

    def _row(self, row: Any) -> Row:
        return dict(zip([column.name for column in self.table.columns], row, strict=True))

    def _key_of(self, row: Row) -> Key:
        return tuple(row[column.name] for column in self._key)

    def _rows_with(self, connection: Connection, keys: Sequence[Key]) -> dict[Key, Row]:
        found: dict[Key, Row] = {}
        for start in range(0, len(keys), CHUNK):
            chunk = keys[start : start + CHUNK]
            each = (and_(*(column == value for column, value in zip(self._key, key, strict=True))) for key in chunk)
            rows = connection.execute(select(*self.table.columns).where(or_(*each))).all()
            found |= {self._key_of(row): row for row in map(self._row, rows)}
        return found

    def _new_rows(self, connection: Connection) -> dict[Key, Row]:
        """Rows that were not there: those with larger keys, and those of a table that was read as a whole."""
        query = select(*self.table.columns)
        if self.is_whole:
            query = query.limit(SMALL_TABLE + MOST_ROWS)
        elif self._has_highest:
            if self._highest is not None:
                query = query.where(self._key[0] > self._highest)
            query = query.order_by(self._key[0]).limit(MOST_ROWS + 1)
        else:
            return {}
        return {self._key_of(row): row for row in map(self._row, connection.execute(query).all())}

    def _counts_keys(self) -> bool:
        return len(self._key) == 1 and isinstance(self._key[0].type, Integer)
