"""Cells: what a SELECT asks of a table's columns to show them, and how the answer is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Text, case, cast, func, null
from sqlalchemy.sql.elements import ColumnElement

from .reading import Reading
from .shape import Column, Kind, Shape
from .values import BYTES, Cell, LongText, shown

SHORT: Final = 200
"""So many characters, or half as many bytes, of a value are shown in a list."""
LONGEST: Final = 100_000
"""So many of one row."""
MAY_BE_LONG: Final[frozenset[Kind]] = frozenset(("text", "json", "array", "bytes", "other"))


class Cells:
    """The columns of a table, each asked for in two expressions: its beginning, and its length."""

    def __init__(self, reading: Reading, shape: Shape, most: int = SHORT) -> None:
        self._is_sqlite = reading.is_sqlite
        self._shape = shape
        self._most = most

    def expressions(self) -> list[ColumnElement[Any]]:
        """What to ask for."""
        return [each for column in self._shape.columns for each in self._pair(column)]

    def read(self, row: Sequence[Any]) -> list[Cell]:
        """The cells in what was answered, which may have more behind them."""
        pairs = zip(self._shape.columns, row[::2], row[1::2], strict=False)
        return [self._cell(column, value, length) for column, value, length in pairs]

    def _pair(self, column: Column) -> Iterator[ColumnElement[Any]]:
        value = self._shape.clause.c[column.name]
        if self._is_sqlite:  # which may have text and bytes in any column
            kind = func.typeof(value)
            start = case(
                (kind == "text", func.substr(value, 1, self._most)),
                (kind == "blob", func.substr(value, 1, self._most // 2)),
                else_=value,
            )
            yield start
            yield case((kind.in_(("text", "blob")), func.length(value)), else_=null())
        elif column.kind == "bytes":
            yield func.encode(func.substring(value, 1, self._most // 2), "hex")
            yield func.octet_length(value)
        else:
            text = cast(value, Text)
            is_long = column.kind in MAY_BE_LONG
            yield func.left(text, self._most) if is_long else text
            yield func.length(text) if is_long else null()

    def _cell(self, column: Column, value: Any, length: int | None) -> Cell:
        if value is None:
            return None
        if not self._is_sqlite and column.kind == "bytes":
            value = bytes.fromhex(value)
        text = shown(value, column)
        assert text is not None
        most = self._most // 2 if isinstance(value, bytes) else self._most
        return LongText(text, length) if length is not None and length > most else text


def raw(reading: Reading, shape: Shape, column: Column) -> ColumnElement[Any]:
    """A whole value that says where a row stands: as it is on SQLite, as text on PostgreSQL."""
    value = shape.expression(column)
    return value if reading.is_sqlite else cast(value, Text)


def as_text(value: Any, column: Column) -> str | None:
    """What ``raw`` gave, as text."""
    return shown(value, column)


def matches(seen: Cell, now: Cell) -> bool:
    """Whether a value is still the one that was seen, of which only the beginning may have been."""
    if isinstance(seen, LongText):
        if isinstance(now, LongText):
            return seen.length == now.length and now.text.startswith(seen.text)
        return now is not None and now.startswith(seen.text) and length_of(now) == seen.length
    return seen == now


def length_of(text: str) -> int:
    """Characters, or bytes if it is a list of them."""
    return (len(text) - len(BYTES)) // 2 if text.startswith(BYTES) else len(text)
