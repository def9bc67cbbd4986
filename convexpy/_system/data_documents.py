"""What ``_system/data`` takes and returns: tables, rows and changes as documents.

Names of columns are values here and never keys: they may be anything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Self

from pydantic import BaseModel, ConfigDict

from ..database.data.changes import Changed, ChangeKind, ValueChange
from ..database.data.defaults import shown_default
from ..database.data.refusals import Refused
from ..database.data.relations import Effect, Related
from ..database.data.rows import FoundRow, Operator
from ..database.data.shape import Action, Constraint, ForeignKey, Index, Kind, RelationKind, Shape
from ..database.data.values import Cell, LongText
from .document import Document


class LongCell(Document):
    """The beginning of a value that is too long to be shown, and how long it is: in characters, or bytes."""

    text: str
    length: int


CellView = str | LongCell | None


def cell_view(cell: Cell) -> CellView:
    """A value as JSON."""
    return LongCell(text=cell.text, length=cell.length) if isinstance(cell, LongText) else cell


class CountView(Document):
    """How many rows there are."""

    count: int
    more: bool
    about: bool
    """The database estimates it."""


class TableEntry(Document):
    """A table or a view in the list of all."""

    name: str
    """With its schema unless that is the default one."""
    kind: RelationKind
    is_framework: bool
    is_declared: bool
    """A model of the app declares it."""
    count: CountView | None


class ColumnView(Document):
    """A column of a table."""

    name: str
    type: str
    kind: Kind
    nullable: bool
    default: str | None
    """What a new row has in it if nothing is given."""
    computed: bool
    sortable: bool
    choices: Sequence[str]
    in_key: bool
    refers_to: str | None
    """The table to which it refers, if it does so alone."""


class IndexView(Document):
    """An index. A column that is None is an expression."""

    name: str
    columns: Sequence[str | None]
    unique: bool
    primary: bool
    definition: str


class ForeignKeyView(Document):
    """A foreign key: rows of ``table`` refer to rows of ``referred``."""

    name: str
    table: str
    columns: Sequence[str]
    referred: str
    referred_columns: Sequence[str]
    on_delete: Action
    on_update: Action

    @classmethod
    def of(cls, key: ForeignKey) -> Self:
        return cls(
            name=key.name,
            table=key.table,
            columns=key.columns,
            referred=key.referred,
            referred_columns=key.referred_columns,
            on_delete=key.on_delete,
            on_update=key.on_update,
        )


class ConstraintView(Document):
    """Another constraint."""

    name: str
    kind: str
    columns: Sequence[str]
    definition: str


class TableView(Document):
    """What a table consists of."""

    name: str
    kind: RelationKind
    is_framework: bool
    key: Sequence[str]
    """The columns by which rows are found, or ``rowid`` or ``ctid``, the database's own name for a row."""
    read_only: str | None
    """Why its rows cannot be changed. None: they can."""
    columns: Sequence[ColumnView]
    indexes: Sequence[IndexView]
    foreign_keys: Sequence[ForeignKeyView]
    referenced_by: Sequence[ForeignKeyView]
    constraints: Sequence[ConstraintView]
    definition: str | None
    """The SQL that made it, where the database keeps that."""

    @classmethod
    def of(cls, shape: Shape) -> Self:
        refers = {key.columns[0]: key.referred for key in shape.foreign_keys if len(key.columns) == 1}
        columns = [
            ColumnView(
                name=each.name,
                type=each.type,
                kind=each.kind,
                nullable=each.nullable,
                default=shown_default(shape, each.name),
                computed=each.computed,
                sortable=each.sortable,
                choices=each.choices,
                in_key=each.name in shape.key,
                refers_to=refers.get(each.name),
            )
            for each in shape.columns
        ]
        return cls(
            name=shape.title,
            kind=shape.kind,
            is_framework=shape.is_framework,
            key=[each.name for each in shape.key_columns],
            read_only=shape.why_read_only,
            columns=columns,
            indexes=[index_view(each) for each in shape.indexes],
            foreign_keys=[ForeignKeyView.of(each) for each in shape.foreign_keys],
            referenced_by=[ForeignKeyView.of(each) for each in shape.referenced_by],
            constraints=[constraint_view(each) for each in shape.constraints],
            definition=shape.definition,
        )


def index_view(index: Index) -> IndexView:
    return IndexView(
        name=index.name,
        columns=index.columns,
        unique=index.unique,
        primary=index.primary,
        definition=index.definition,
    )


def constraint_view(constraint: Constraint) -> ConstraintView:
    return ConstraintView(
        name=constraint.name, kind=constraint.kind, columns=constraint.columns, definition=constraint.definition
    )


class RowView(Document):
    """A row: its key, and a cell for each column."""

    key: Sequence[str]
    cells: Sequence[CellView]

    @classmethod
    def of(cls, row: FoundRow) -> Self:
        return cls(key=row.key, cells=[cell_view(each) for each in row.cells])


class Rows(Document):
    """A page of rows."""

    columns: Sequence[str]
    rows: Sequence[RowView]
    cursor: str | None
    """Where the next page begins. None: nothing follows, or it cannot be found."""
    order: Sequence[str]
    """The columns by which the rows are in order."""
    note: str | None
    """Why it does not go on although there is more."""


class RelatedView(Document):
    """Rows on the other side of a foreign key."""

    foreign_key: ForeignKeyView
    outgoing: bool
    """The row refers to them."""
    count: int
    more: bool
    columns: Sequence[str]
    rows: Sequence[RowView]

    @classmethod
    def of(cls, related: Related, find: Callable[[str], Shape]) -> Self:
        key = related.foreign_key
        other = find(key.referred if related.outgoing else key.table)
        return cls(
            foreign_key=ForeignKeyView.of(key),
            outgoing=related.outgoing,
            count=related.count,
            more=related.more,
            columns=[column.name for column in other.columns],
            rows=[RowView.of(row) for row in related.rows],
        )


class OneRow(Document):
    """A row with its whole values, and the rows that it is related to."""

    columns: Sequence[str]
    row: RowView
    related: Sequence[RelatedView]


class GivenFilter(BaseModel):
    """A condition."""

    model_config = ConfigDict(extra="forbid")

    column: str
    operator: Operator
    value: str | None = None


class GivenValue(BaseModel):
    """What a column is to hold."""

    model_config = ConfigDict(extra="forbid")

    column: str
    value: str | None


class GivenSeen(BaseModel):
    """What a column was seen to hold."""

    model_config = ConfigDict(extra="forbid")

    column: str
    value: CellView


class GivenChange(BaseModel):
    """What is to happen to one row."""

    model_config = ConfigDict(extra="forbid")

    kind: ChangeKind
    key: Sequence[str] = ()
    """Of a row that is there."""
    values: Sequence[GivenValue] = ()
    """Of a new row, or those that change. A value is text, as it is shown; None is NULL."""
    seen: Sequence[GivenSeen] = ()
    """What was seen of it: at least what changes; of a row that is deleted, all of it."""


class ValueView(Document):
    """A column before and after."""

    column: str
    old: CellView
    new: CellView


class EffectView(Document):
    """What a change does to rows of a table that refer to the changed one."""

    table: str
    action: Action
    columns: Sequence[str]
    count: int
    more: bool

    @classmethod
    def of(cls, effect: Effect) -> Self:
        return cls(
            table=effect.table,
            action=effect.action,
            columns=effect.foreign_key.columns,
            count=effect.count,
            more=effect.more,
        )


class ProblemView(Document):
    """Why a change cannot be made."""

    message: str
    column: str | None
    """What it is about. None: the row."""
    differences: Sequence[ValueView]
    """Where the row is another one than was seen: ``old`` was seen, ``new`` is what it is now."""

    @classmethod
    def of(cls, refused: Refused) -> Self:
        return cls(
            message=refused.message,
            column=refused.column,
            differences=[value_view(each) for each in refused.differences],
        )


class ChangeView(Document):
    """What a change does."""

    kind: ChangeKind
    key: Sequence[str]
    values: Sequence[ValueView]
    effects: Sequence[EffectView]
    problem: ProblemView | None

    @classmethod
    def of(cls, changed: Changed) -> Self:
        return cls(
            kind=changed.kind,
            key=changed.key,
            values=[value_view(each) for each in changed.values],
            effects=[EffectView.of(each) for each in changed.effects],
            problem=ProblemView.of(changed.problem) if changed.problem is not None else None,
        )

    def difference(self) -> list[dict[str, object]]:
        """Its columns before and after, as the audit log keeps them."""
        values = self.to_json()["values"]
        assert isinstance(values, list)
        return values


def value_view(change: ValueChange) -> ValueView:
    return ValueView(column=change.column, old=cell_view(change.old), new=cell_view(change.new))


class Preview(Document):
    """What changes would do."""

    changes: Sequence[ChangeView]
    is_possible: bool
    """None of them is refused."""


class Saved(Document):
    """What changes have done."""

    changes: Sequence[ChangeView]
