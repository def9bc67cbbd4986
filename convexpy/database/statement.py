"""A statement of the framework's own: compiled once for each database, and sent to the driver directly.

SQLAlchemy compiles the text and converts the values; what it does around each execution costs more than most of these
statements do on the server.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

from .transaction import OPEN_TRANSACTION, OpenTransaction
from .types import JobIdType

Values = Mapping[str, Any]
Convert = Callable[[Any], Any]
NOTHING: Final[Values] = {}


class Result(NamedTuple):
    """How many rows were changed, and the rows that were returned."""

    rowcount: int
    rows: Sequence[Any]


class Statement:
    """One clause, and what it compiles to for each kind of database."""

    def __init__(self, clause: Any, row: Any = None) -> None:
        """``row``: a named tuple that its rows become, with a field for each of its columns."""
        self.clause: Final = clause
        self.row: Final = row
        self._compiled: dict[str, CompiledStatement] = {}

    def execute(self, connection: Connection, values: Values | Sequence[Values] = NOTHING) -> Result:
        """Execute it within the transaction that is open on a connection; once for each, if there are many values."""
        transaction: OpenTransaction | None = connection.info.get(OPEN_TRANSACTION)
        if transaction is None:  # not a transaction of ours: a copy, or a test
            result = connection.execute(self.clause, values)
            rows = result.all() if result.returns_rows else ()
            return Result(result.rowcount, [self.row._make(row) for row in rows] if self.row else rows)
        compiled = self._compiled.get(transaction.dialect) or self._compile(connection.dialect)
        return compiled.execute(connection, transaction, self, values)

    def _compile(self, dialect: Dialect) -> CompiledStatement:
        compiled = self._compiled[dialect.name] = CompiledStatement(self.clause, dialect, self.row)
        return compiled


class CompiledStatement:
    """A statement as one kind of database reads it."""

    def __init__(self, clause: Any, dialect: Dialect, row: Any) -> None:
        if dialect.paramstyle != "qmark":
            positional: Any = type(dialect)  # the driver need not replace names
            dialect = positional(paramstyle="format")
        compiled: SQLCompiler = clause.compile(dialect=dialect)
        self.sql: Final = str(compiled)
        convert: Any = compiled._bind_processors
        self._parameters: list[tuple[str, Convert | None, Any]] = []
        for name in compiled.positiontup or ():
            bind = compiled.binds[name]
            change = convert.get(name)
            if bind.required:
                self._parameters.append((name, change, None))
            else:
                self._parameters.append(("", None, change(bind.value) if change else bind.value))
        columns = compiled._result_columns
        readers = [(index, reader_of(column.type, dialect)) for index, column in enumerate(columns)]
        self._readers = [(index, read) for index, read in readers if read is not None]
        self._row: Any = row or (namedtuple("Row", [column.keyname for column in columns]) if columns else None)

    def execute(
        self, connection: Connection, transaction: OpenTransaction, statement: Statement, values: Any
    ) -> Result:
        transaction.check_shortly()
        transaction.record(self.sql)
        if transaction.footprints is not None:
            transaction.footprints.pause()
        if transaction.on_statement is not None:
            transaction.on_statement(statement)
        many = not isinstance(values, dict)
        bound = [self._bind(each) for each in values] if many else self._bind(values)
        cursor = transaction.driver.cursor()
        try:
            if many:
                cursor.executemany(self.sql, bound)
            else:
                cursor.execute(self.sql, bound)
            rows = [self._read(row) for row in cursor.fetchall()] if self._row is not None else ()
            return Result(cursor.rowcount, rows)
        except BaseException as error:
            connection._handle_dbapi_exception(error, self.sql, None, cursor, None)  # raises what SQLAlchemy would
        finally:
            cursor.close()

    def _bind(self, values: Values) -> list[Any]:
        """The values as the driver wants them, in the order of the text."""
        return [
            fixed if not name else values[name] if convert is None else convert(values[name])
            for name, convert, fixed in self._parameters
        ]

    def _read(self, row: Sequence[Any]) -> Any:
        if self._readers:
            row = list(row)
            for index, read in self._readers:
                row[index] = read(row[index])
        return self._row._make(row)


def reader_of(kind: TypeEngine[Any], dialect: Dialect) -> Convert | None:
    """What makes a value of what the driver gives. An id stays the text that it is."""
    if isinstance(kind, JobIdType):
        return None
    return kind.dialect_impl(dialect).result_processor(dialect, None)
