"""Pages of a table's rows, found by the values of the row before them, and single rows by their key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import Text, and_, cast, false, literal, select, tuple_
from sqlalchemy.sql.elements import ColumnElement

from ...errors import ConvexError
from .cells import SHORT, Cells, as_text, raw
from .reading import AnySelect, Reading
from .shape import Column, Shape
from .values import Cell, bound, known

Operator = Literal["=", "≠", "<", "≤", ">", "≥", "contains", "starts with", "is null", "is not null"]
NEEDS_ORDER: Final = frozenset(("=", "≠", "<", "≤", ">", "≥"))
MOST_CHARACTERS: Final = 4000
"""Of the values that say where a page ends."""


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition. ``value``: text as a person writes it."""

    column: str
    operator: Operator
    value: str | None = None


@dataclass(frozen=True, slots=True)
class FoundRow:
    """A row: its key as text, and a cell for each column."""

    key: list[str]
    cells: list[Cell]


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, and the values of the order's columns in the last one. ``end`` is None: nothing follows."""

    rows: list[FoundRow]
    end: tuple[Any, ...] | None
    order: list[str]
    is_whole: bool = True
    """False: there is more, and no key by which to go on."""


class PageOrder:
    """The order of a table's rows by a column and by key, and the parts of it in which NULL needs no thought.

    NULL stands where the database puts it by itself, so that its indexes have this order.
    """

    def __init__(self, reading: Reading, shape: Shape, sort: str | None, *, descending: bool) -> None:
        """Raises ConvexError: There is no such column, or it has no order."""
        first = shape.column(sort) if sort is not None else None
        if first is not None and not first.sortable:
            raise ConvexError("BAD_REQUEST", f"values of {first.type} have no order: sort by another column")
        self.keys = [column for column in shape.key_columns if column is not first]
        self.columns = ([first] if first is not None else []) + self.keys
        self.descending = descending
        self._reading, self._shape = reading, shape
        self.parts: list[bool] = [False]
        """Whether the first column is NULL, part by part."""
        if first is not None and first.nullable:
            nulls_first = reading.is_sqlite is not descending
            self.parts = [True, False] if nulls_first else [False, True]

    def statement(self, expressions: Sequence[Any], is_null: bool, after: tuple[Any, ...] | None) -> AnySelect:
        """The rows of one part, behind a position in it."""
        columns, values = self.columns, after
        conditions: list[ColumnElement[bool]] = []
        if len(self.parts) > 1:
            first = self._shape.expression(self.columns[0])
            conditions.append(first.is_(None) if is_null else first.is_not(None))
            if is_null:
                columns, values = columns[1:], after[1:] if after is not None else None
        if values is not None:
            conditions.append(self._beyond(columns, values))
        ordered = [self._shape.expression(column) for column in columns]
        order = [each.desc() if self.descending else each.asc() for each in ordered]
        return select(*expressions).select_from(self._shape.clause).where(*conditions).order_by(*order)

    def _beyond(self, columns: Sequence[Column], values: tuple[Any, ...]) -> ColumnElement[bool]:
        here = [self._shape.expression(column) for column in columns]
        bounds = [self._bound(column, value) for column, value in zip(columns, values, strict=True)]
        if not here:
            return false()
        if len(here) == 1:
            return here[0] < bounds[0] if self.descending else here[0] > bounds[0]
        # Databases find the first such row by one look into an index.
        return tuple_(*here) < tuple_(*bounds) if self.descending else tuple_(*here) > tuple_(*bounds)

    def _bound(self, column: Column, value: Any) -> ColumnElement[Any]:
        return literal(value) if self._reading.is_sqlite else known(value, column, is_sqlite=False)


def read_page(
    reading: Reading,
    shape: Shape,
    filters: Sequence[Filter],
    sort: str | None,
    *,
    descending: bool,
    after: tuple[Any, ...] | None,
    limit: int,
) -> Page:
    """Up to ``limit`` rows that fit all filters, behind a position.

    Raises:
        ConvexError: A filter or the order does not fit the table, or it took too long.
    """
    order = PageOrder(reading, shape, sort, descending=descending)
    if after is not None and len(after) != len(order.columns):
        raise ConvexError("BAD_REQUEST", "the cursor is not one of this table")
    conditions = [condition_of(reading, shape, each) for each in filters]
    cells = Cells(reading, shape)
    places = [raw(reading, shape, column) for column in (*shape.key_columns, *order.columns)]
    expressions = [*cells.expressions(), *places]
    parts = order.parts
    if after is not None and len(parts) > 1:
        parts = parts[parts.index(after[0] is None) :]
    found: list[tuple[Any, ...]] = []
    for is_null in parts:
        statement = order.statement(expressions, is_null, after).where(*conditions)
        found += reading.select(statement.limit(limit + 1 - len(found)))
        after = None
        if len(found) > limit:
            break
    more, found = len(found) > limit, found[:limit]
    first, keys = 2 * len(shape.columns), len(shape.key_columns)
    rows = [FoundRow(key_of(shape, row[first : first + keys]), cells.read(row)) for row in found]
    end = tuple(found[-1][first + keys :]) if more and keys else None
    if end is not None and sum(len(value) for value in end if isinstance(value, str | bytes)) > MOST_CHARACTERS:
        raise ConvexError("BAD_REQUEST", "values of this column are too long to sort by")
    return Page(rows, end, [column.name for column in order.columns], is_whole=not more or keys > 0)


def key_of(shape: Shape, values: Sequence[Any]) -> list[str]:
    """A key as text."""
    return [as_text(value, column) or "" for column, value in zip(shape.key_columns, values, strict=True)]


def condition_of(reading: Reading, shape: Shape, wanted: Filter) -> ColumnElement[bool]:
    """A filter within a statement.

    Raises:
        ConvexError: The value or the operator does not fit the column.
    """
    column = shape.column(wanted.column)
    here = shape.expression(column)
    if wanted.operator == "is null":
        return here.is_(None)
    if wanted.operator == "is not null":
        return here.is_not(None)
    text = wanted.value or ""
    if wanted.operator == "contains":
        return cast(here, Text).icontains(text, autoescape=True)
    if wanted.operator == "starts with":
        return cast(here, Text).istartswith(text, autoescape=True)
    if not column.sortable:
        raise ConvexError("BAD_REQUEST", f"values of {column.type} cannot be compared: use “contains”")
    try:
        value = bound(text, column, is_sqlite=reading.is_sqlite)
    except ValueError as error:
        raise ConvexError("BAD_REQUEST", f"{column.name}: {text[:SHORT]!r} {error}") from None
    return compared(here, wanted.operator, value)


def compared(here: ColumnElement[Any], operator: Operator, value: ColumnElement[Any]) -> ColumnElement[bool]:
    if operator == "=":
        return here == value
    if operator == "≠":
        return here.is_distinct_from(value)
    if operator == "<":
        return here < value
    if operator == "≤":
        return here <= value
    return here > value if operator == ">" else here >= value


def has_key(reading: Reading, shape: Shape, key: Sequence[str]) -> ColumnElement[bool]:
    """Which row has a key.

    Raises:
        ConvexError: The table has no key, or one of another length.
    """
    columns = shape.key_columns
    if not columns or len(key) != len(columns):
        names = ", ".join(column.name for column in columns) or "nothing"
        raise ConvexError("BAD_REQUEST", f"the key of {shape.title} is {names}")
    is_sqlite = reading.is_sqlite
    values = [known(text, column, is_sqlite=is_sqlite) for column, text in zip(columns, key, strict=True)]
    return and_(*(shape.expression(column) == value for column, value in zip(columns, values, strict=True)))


def read_row(reading: Reading, shape: Shape, key: Sequence[str], most: int = SHORT) -> FoundRow | None:
    """The row with a key, or None."""
    cells = Cells(reading, shape, most)
    statement = select(*cells.expressions()).select_from(shape.clause).where(has_key(reading, shape, key))
    found = reading.select(statement.limit(2))
    if len(found) > 1:
        raise ConvexError("CONFLICT", f"several rows of {shape.title} have this key")
    return FoundRow(list(key), cells.read(found[0])) if found else None
