"""Changes of rows by hand: each names its row by key and by what was seen of it, so none undoes another one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Literal

from sqlalchemy import Connection, delete, insert, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.elements import ColumnElement

from ..transaction import OpenTransaction
from .cells import LONGEST, SHORT, as_text, matches, raw
from .defaults import insert_defaults, update_defaults
from .reading import Reading, reading
from .refusals import Refused, refusal
from .relations import Effect, effects_of
from .rows import FoundRow, has_key, read_row
from .shape import Shape
from .values import Cell, LongText, bound

MOST_CHANGES: Final = 200
ChangeKind = Literal["insert", "update", "delete"]
FindShape = Callable[[Reading, str], Shape]


@dataclass(frozen=True, slots=True)
class NewValue:
    """What a column is to hold, as text. None: NULL."""

    column: str
    value: str | None


@dataclass(frozen=True, slots=True)
class SeenValue:
    """What a column was seen to hold."""

    column: str
    value: Cell


@dataclass(frozen=True, slots=True)
class Change:
    """What is to happen to one row. ``key``: that of a row that is there."""

    kind: ChangeKind
    values: Sequence[NewValue] = ()
    key: Sequence[str] = ()
    seen: Sequence[SeenValue] = ()


@dataclass(frozen=True, slots=True)
class ValueChange:
    """A column of a changed row, before and after."""

    column: str
    old: Cell
    new: Cell


@dataclass(slots=True)
class Changed:
    """What a change has done, or why it is refused."""

    kind: ChangeKind
    key: list[str]
    values: list[ValueChange] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    problem: Refused | None = None


class Editor:
    """Changes rows of one table within the transaction of a mutation."""

    def __init__(self, transaction: OpenTransaction, connection: Connection, shape: Shape, find: FindShape) -> None:
        """``find`` reads the shape of another table."""
        self._transaction = transaction
        self._connection = connection
        self._shape = shape
        self._find = find

    def apply(self, change: Change) -> Changed:
        """Change one row.

        Raises:
            Refused: The row is gone or another one than was seen, a value does not fit, or the database refuses it.
        """
        with reading(self._transaction) as reader:
            changed, statement = self._prepared(reader, change)
        if statement is None:
            return changed
        try:
            result = self._connection.execute(statement)
        except DBAPIError as error:
            raise refusal(error, self._shape, change.kind, changed.effects) from error
        if change.kind == "insert":
            columns, row = self._shape.key_columns, result.one() if self._shape.key_columns else ()
            changed.key = [as_text(value, column) or "" for column, value in zip(columns, row, strict=True)]
            changed.values = self._inserted(changed.key, change)
        elif result.rowcount != 1:
            raise Refused(f"the database changed {result.rowcount} rows instead of one")
        return changed

    def _inserted(self, key: Sequence[str], change: Change) -> list[ValueChange]:
        """What a new row holds, with what the database and its triggers have put there."""
        with reading(self._transaction) as reader:
            row = read_row(reader, self._shape, key) if key else None
        if row is None:
            return [ValueChange(each.column, None, short(each.value)) for each in change.values]
        columns = zip(self._shape.columns, row.cells, strict=True)
        return [ValueChange(column.name, None, value) for column, value in columns]

    def _prepared(self, reader: Reading, change: Change) -> tuple[Changed, Any]:
        values = {each.column: self._value(reader, each) for each in change.values}
        if change.kind == "insert":
            changed = Changed("insert", [])
            returned = [raw(reader, self._shape, column) for column in self._shape.key_columns]
            statement = insert(self._shape.clause).values({**dict(insert_defaults(self._shape)), **values})
            return changed, statement.returning(*returned) if returned else statement
        where = has_key(reader, self._shape, change.key)
        row = self._unchanged(reader, change)
        before = dict(zip((column.name for column in self._shape.columns), row.cells, strict=True))
        changed = Changed(change.kind, list(change.key))
        if change.kind == "delete":
            changed.values = [ValueChange(name, short(value), None) for name, value in before.items()]
            changed.effects = list(effects_of(reader, self._shape, where, partial(self._find, reader), None))
            return changed, delete(self._shape.clause).where(where)
        different = [each for each in change.values if before[each.column] != each.value]
        changed.values = [ValueChange(each.column, short(before[each.column]), short(each.value)) for each in different]
        if not different:
            return changed, None
        names = frozenset(each.column for each in different)
        changed.effects = list(effects_of(reader, self._shape, where, partial(self._find, reader), names))
        new = {name: value for name, value in values.items() if name in names}
        return changed, update(self._shape.clause).where(where).values({**dict(update_defaults(self._shape)), **new})

    def _value(self, reader: Reading, wanted: NewValue) -> ColumnElement[Any]:
        column = self._shape.column(wanted.column)
        if column.computed:
            raise Refused("is made by the database, so it cannot be set", column.name)
        try:
            return bound(wanted.value, column, is_sqlite=reader.is_sqlite)
        except ValueError as error:
            raise Refused(f"{shortened(wanted.value)} {error}", column.name) from None

    def _unchanged(self, reader: Reading, change: Change) -> FoundRow:
        row = read_row(reader, self._shape, change.key, LONGEST)
        if row is None:
            raise Refused("the row is not there any more: it was deleted, or its key was changed")
        now = dict(zip((column.name for column in self._shape.columns), row.cells, strict=True))
        for each in change.seen:
            self._shape.column(each.column)
        other = [each for each in change.seen if not matches(each.value, now[each.column])]
        if other:
            differences = [ValueChange(each.column, each.value, short(now[each.column])) for each in other]
            names = ", ".join(each.column for each in other)
            raise Refused(f"the row was changed since you saw it: {names}", other[0].column, differences)
        return row


def short(value: Cell) -> Cell:
    """A value as diffs show it."""
    if isinstance(value, str) and len(value) > SHORT:
        return LongText(value[:SHORT], len(value))
    if isinstance(value, LongText):
        return LongText(value.text[:SHORT], value.length)
    return value


def shortened(text: str | None) -> str:
    return repr(text if text is None or len(text) <= SHORT else f"{text[:SHORT]}…")
