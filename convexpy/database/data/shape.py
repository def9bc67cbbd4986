"""``Shape``: what a table or a view consists of, as the catalog of its database says it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal

from sqlalchemy import Column as ModelColumn
from sqlalchemy import ColumnClause, Table, TableClause, column, literal_column, table
from sqlalchemy.sql.elements import ColumnElement, quoted_name

from ...errors import ConvexError

Kind = Literal[
    "array",
    "boolean",
    "bytes",
    "date",
    "datetime",
    "decimal",
    "enum",
    "float",
    "integer",
    "interval",
    "json",
    "other",
    "text",
    "time",
    "uuid",
]
RelationKind = Literal["table", "view", "materialized view", "foreign table", "virtual table"]
Stored = Literal["", "microseconds", "hex"]
Action = Literal["no action", "restrict", "cascade", "set null", "set default"]

EDITABLE: Final = frozenset({"table"})


@dataclass(frozen=True, slots=True)
class Column:
    """A column."""

    name: str
    type: str
    """As it was declared: ``character varying(20)``."""
    kind: Kind
    nullable: bool = True
    default: str | None = None
    """SQL."""
    computed: bool = False
    """The database makes its values: they cannot be set."""
    sortable: bool = True
    cast: str = ""
    """PostgreSQL's type, to which text is cast."""
    stored: Stored = ""
    """In which form SQLite has what it has no type for: times in microseconds since 1970, UUIDs as 32 digits."""
    choices: tuple[str, ...] = ()
    """The values of an enumeration."""


@dataclass(frozen=True, slots=True)
class Index:
    """An index. ``columns``: None for an expression."""

    name: str
    columns: tuple[str | None, ...]
    unique: bool
    primary: bool
    definition: str
    whole: bool
    """Every row is in it."""


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """Rows of ``table`` refer to rows of ``referred``."""

    name: str
    table: str
    columns: tuple[str, ...]
    referred: str
    referred_columns: tuple[str, ...]
    on_delete: Action
    on_update: Action


@dataclass(frozen=True, slots=True)
class Constraint:
    """Another constraint, with its SQL."""

    name: str
    kind: Literal["unique", "check", "exclude", "other"]
    columns: tuple[str, ...]
    definition: str


@dataclass(frozen=True)
class Shape:
    """A table or a view.

    Attributes:
        title: Its name, with its schema unless that is the default one.
        key: The columns that tell its rows apart. Empty: nothing does.
        row_id: The database's own name for a row, where no columns are a key: ``rowid``, ``ctid``.
        definition: The SQL that made it, where the database keeps it.
        model: What the app declares of it.
    """

    schema: str | None
    name: str
    title: str
    kind: RelationKind
    is_framework: bool
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    row_id: Column | None
    indexes: tuple[Index, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    referenced_by: tuple[ForeignKey, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    definition: str | None = None
    model: Table | None = field(default=None, compare=False)

    @cached_property
    def clause(self) -> TableClause:
        """The table as statements name it."""
        names: list[ColumnClause[Any]] = [column(quoted_name(each.name, quote=True)) for each in self.columns]
        schema = quoted_name(self.schema, quote=True) if self.schema is not None else None
        return table(quoted_name(self.name, quote=True), *names, schema=schema)

    @cached_property
    def key_columns(self) -> tuple[Column, ...]:
        """The columns that tell its rows apart, or the database's own name for a row. Empty: nothing does."""
        if self.key:
            return tuple(self.column(name) for name in self.key)
        return (self.row_id,) if self.row_id is not None else ()

    @property
    def why_read_only(self) -> str | None:
        """Why its rows cannot be changed. None: they can."""
        if self.is_framework:
            return "it is a table of the framework"
        if self.kind not in EDITABLE:
            return f"it is a {self.kind}"
        if not self.key_columns:
            return "it has no key, so its rows cannot be told apart"
        return None

    def column(self, name: str) -> Column:
        """The column of this name.

        Raises:
            ConvexError: There is none (NOT_FOUND).
        """
        found = next((each for each in self.columns if each.name == name), None)
        if found is None:
            known = ", ".join(each.name for each in self.columns)
            raise ConvexError("NOT_FOUND", f"{self.title} has no column {name!r}. It has: {known}")
        return found

    def declared(self, name: str) -> ModelColumn[Any] | None:
        """The column as the app's model declares it. None: it does not."""
        if self.model is None:
            return None
        return next((each for each in self.model.columns if each.name == name), None)

    def expression(self, each: Column) -> ColumnElement[Any]:
        """A column, or the database's name for a row, within a statement."""
        if each is self.row_id:
            return literal_column(each.name)
        return self.clause.c[each.name]


def key_of(columns: Iterable[Column], indexes: Iterable[Index]) -> tuple[str, ...]:
    """The primary key, or the columns of another index that tell all rows apart. Empty: there is none."""
    required = {each.name for each in columns if not each.nullable}
    unique = [each for each in indexes if each.unique and each.whole and None not in each.columns]
    for index in sorted(unique, key=lambda each: (not each.primary, len(each.columns))):
        names = tuple(name for name in index.columns if name is not None)
        if names and required.issuperset(names):
            return names
    return ()
