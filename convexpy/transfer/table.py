"""One table of a copy: its rows are read as a stream, checked, written in batches, then compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

from sqlalchemy import JSON, Column, Connection, Table, Text, and_, func, insert, null, select, type_coerce
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.types import NullType, TypeDecorator

from ..database.types import StoredJSON
from ..errors import DatabaseError
from .checksum import Checksum
from .value_checks import ValueCheck, shown

BATCH: Final = 500
LISTED: Final = 10


class TableCopy:
    """Copies one table. ``problems`` lists values that the target cannot store; after the first nothing is written."""

    def __init__(self, table: Table, source: Connection, target: Connection, problems: list[str]) -> None:
        self.table = table
        self.columns = [column for column in table.columns if column.computed is None]
        self._source = source
        self._target = target
        self._problems = problems
        self._checks = [ValueCheck(column, target.dialect) for column in self.columns]
        # None may be NULL or what the column's type makes of None, such as JSON's null.
        self._ambiguous = [n for n, column in enumerate(self.columns) if has_two_nulls(column)]
        self.checksum = Checksum(self.columns, source.dialect)

    def count(self) -> int:
        return self._source.execute(select(func.count()).select_from(self.table)).scalar_one()

    def run(self, progress: Callable[[int], None]) -> None:
        """Copy every row.

        Args:
            progress: Called with the number of rows so far, now and then.

        Raises:
            DatabaseError: A row cannot be read, or the target refuses it. Table and row are named.
        """
        for batch in batches(self._read(self._source)):
            for values, _ in batch:
                self.checksum.add(values)
                self._check(values)
            if not self._problems:
                self._write(batch)
            if len(self._problems) >= LISTED:
                return
            progress(self.checksum.rows)

    def compare(self) -> None:
        """Read the target's rows and compare.

        Raises:
            DatabaseError: It is not what was read from the source.
        """
        written = Checksum(self.columns, self._source.dialect)
        for values, _ in self._read(self._target):
            written.add(values)
        if (written.rows, written.sum) != (self.checksum.rows, self.checksum.sum):
            counts = f"{self.checksum.rows} rows were read, {written.rows} were written"
            raise DatabaseError(f"the copy of {self.table.key} is not the same: {self._difference() or counts}")

    def _read(self, connection: Connection) -> Iterator[tuple[list[Any], list[bool]]]:
        """Each row's values, and which of the ambiguous ones are NULL."""
        flags = [self.columns[n].is_(null()) for n in self._ambiguous]
        statement = select(*map(as_stored, self.columns), *(flag.label(None) for flag in flags))
        width = len(self.columns)
        try:
            with connection.execute(statement, execution_options={"yield_per": BATCH}) as result:
                for row in result:
                    yield list(row[:width]), list(row[width:])
        except (DBAPIError, ValueError, TypeError, LookupError, ArithmeticError) as error:
            raise DatabaseError(self._unreadable(connection) or f"{self.table.key} cannot be read: {error}") from error

    def _check(self, values: Sequence[Any]) -> None:
        for column, check, value in zip(self.columns, self._checks, values, strict=True):
            complaint = check.complaint(value) if len(self._problems) < LISTED else None
            if complaint is not None:
                self._problems.append(f"{self.table.key}.{column.name}, {self._row(values)}: {complaint}")

    def _write(self, batch: Sequence[tuple[list[Any], list[bool]]]) -> None:
        """In one statement; if the target refuses it, row by row, to name the row."""
        try:
            with self._target.begin_nested():
                self._insert(batch)
        except StatementError as error:
            said = str(error.orig or error).strip()
            if len(batch) == 1:
                raise DatabaseError(
                    f"{self.table.key}, {self._row(batch[0][0])}: the target refuses it: {said}"
                ) from error
            for each in batch:
                self._write([each])
            raise DatabaseError(f"{self.table.key}: the target refuses its rows: {said}") from error

    def _insert(self, batch: Sequence[tuple[list[Any], list[bool]]]) -> None:
        """A NULL that the column's type cannot express is written as NULL in the statement's text."""
        alike: dict[tuple[bool, ...], list[dict[str, Any]]] = {}
        for values, flags in batch:
            parameters = {column.key: value for column, value in zip(self.columns, values, strict=True)}
            for n, is_null in zip(self._ambiguous, flags, strict=True):
                if is_null:
                    del parameters[self.columns[n].key]
                elif parameters[self.columns[n].key] is None and isinstance(self.columns[n].type, JSON):
                    parameters[self.columns[n].key] = JSON.NULL
            alike.setdefault(tuple(flags), []).append(parameters)
        for nulls, rows in alike.items():
            said = [self.columns[n] for n, is_null in zip(self._ambiguous, nulls, strict=True) if is_null]
            statement = insert(self.table)
            self._target.execute(statement.values({column.key: null() for column in said}) if said else statement, rows)

    def _row(self, values: Sequence[Any]) -> str:
        key = [column for column in self.table.primary_key.columns if column in self.columns]
        named = [f"{column.name} {shown(values[self.columns.index(column)])}" for column in key]
        return ", ".join(named) or f"row {self.checksum.rows}"

    def _unreadable(self, connection: Connection) -> str | None:
        """The value that its column's type cannot read."""
        readers = [
            column.type.dialect_impl(connection.dialect).result_processor(connection.dialect, None)
            for column in self.columns
        ]
        try:
            for row in connection.execute(select(*(type_coerce(each, NullType()) for each in self.columns))):
                for column, read, value in zip(self.columns, readers, row, strict=True):
                    try:
                        if read is not None and not isinstance(column.type, StoredJSON):
                            read(value)
                    except (ValueError, TypeError, LookupError, ArithmeticError) as error:
                        return (
                            f"{self.table.key}.{column.name}, {self._row(row)}: {shown(value)} cannot be read: {error}"
                        )
        except DBAPIError as error:
            return f"{self.table.key} cannot be read: {str(error.orig).strip()}"
        return None

    def _difference(self) -> str | None:
        """The first row that differs in the target."""
        key = list(self.table.primary_key.columns)
        if not key:
            return None
        for values, _ in self._read(self._source):
            wanted = [column == values[self.columns.index(column)] for column in key]
            found = self._target.execute(select(*map(as_stored, self.columns)).where(and_(*wanted))).first()
            if found is None or self.checksum.of(values) != self.checksum.of(found):
                return f"{self._row(values)} was {shown(values)} and is {shown(found and list(found))}"
        return None


def batches(rows: Iterator[Any]) -> Iterator[list[Any]]:
    while batch := list(islice(rows, BATCH)):
        yield batch


def as_stored(column: Column[Any]) -> Any:
    """The framework's JSON is copied as text, unparsed."""
    return type_coerce(column, Text).label(column.name) if isinstance(column.type, StoredJSON) else column


def has_two_nulls(column: Column[Any]) -> bool:
    return isinstance(column.type, JSON | TypeDecorator) and type(column.type).__module__ != StoredJSON.__module__
