"""A statement of the framework's own: made into text once, and sent to the driver past everything it does not need.

SQLAlchemy writes the text and converts the values; what it would do around each execution costs more than most of
these statements do on the server.
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


class Answer(NamedTuple):
    """What the database said: how many rows were changed, and the rows that came back."""

    rowcount: int
    rows: Sequence[Any]


class Statement:
    """One clause, and its text for each kind of database."""

    def __init__(self, clause: Any, row: Any = None) -> None:
        """``row``: a named tuple that its rows become, with a field for each of its columns."""
        self.clause: Final = clause
        self.row: Final = row
        self._texts: dict[str, Text] = {}

    def on(self, connection: Connection, values: Values | Sequence[Values] = NOTHING) -> Answer:
        """Execute it within the transaction that is open on a connection; once for each, if there are many values."""
        transaction: OpenTransaction | None = connection.info.get(OPEN_TRANSACTION)
        if transaction is None:  # not a transaction of ours: a copy, or a test
            result = connection.execute(self.clause, values)
            rows = result.all() if result.returns_rows else ()
            return Answer(result.rowcount, [self.row._make(row) for row in rows] if self.row else rows)
        text = self._texts.get(transaction.dialect) or self._write(connection.dialect)
        return text.send(connection, transaction, self, values)

    def _write(self, dialect: Dialect) -> Text:
        text = self._texts[dialect.name] = Text(self.clause, dialect, self.row)
        return text


class Text:
    """A statement as one kind of database reads it."""

    def __init__(self, clause: Any, dialect: Dialect, row: Any) -> None:
        if dialect.paramstyle != "qmark":
            by_place: Any = type(dialect)  # the driver need not look for names
            dialect = by_place(paramstyle="format")
        compiled: SQLCompiler = clause.compile(dialect=dialect)
        self.sql: Final = str(compiled)
        convert: Any = compiled._bind_processors
        self._places: list[tuple[str, Convert | None, Any]] = []
        for name in compiled.positiontup or ():
            bind = compiled.binds[name]
            change = convert.get(name)
            if bind.required:
                self._places.append((name, change, None))
            else:
                self._places.append(("", None, change(bind.value) if change else bind.value))
        columns = compiled._result_columns
        readers = [(place, reader_of(column.type, dialect)) for place, column in enumerate(columns)]
        self._readers = [(place, read) for place, read in readers if read is not None]
        self._row: Any = row or (namedtuple("Row", [column.keyname for column in columns]) if columns else None)

    def send(self, connection: Connection, transaction: OpenTransaction, statement: Statement, values: Any) -> Answer:
        transaction.check_shortly()
        transaction.note(self.sql)
        if transaction.on_statement is not None:
            transaction.on_statement(statement)
        many = not isinstance(values, dict)
        given = [self._given(each) for each in values] if many else self._given(values)
        cursor = transaction.driver.cursor()
        try:
            if many:
                cursor.executemany(self.sql, given)
            else:
                cursor.execute(self.sql, given)
            rows = [self._read(row) for row in cursor.fetchall()] if self._row is not None else ()
            return Answer(cursor.rowcount, rows)
        except BaseException as error:
            connection._handle_dbapi_exception(error, self.sql, None, cursor, None)  # raises what SQLAlchemy would
        finally:
            cursor.close()

    def _given(self, values: Values) -> list[Any]:
        """The values as the driver wants them, in the order of their places."""
        return [
            fixed if not name else values[name] if convert is None else convert(values[name])
            for name, convert, fixed in self._places
        ]

    def _read(self, row: Sequence[Any]) -> Any:
        if self._readers:
            row = list(row)
            for place, read in self._readers:
                row[place] = read(row[place])
        return self._row._make(row)


def reader_of(kind: TypeEngine[Any], dialect: Dialect) -> Convert | None:
    """What makes a value of what the driver gives. An id stays the text that it is."""
    if isinstance(kind, JobIdType):
        return None
    return kind.dialect_impl(dialect).result_processor(dialect, None)
