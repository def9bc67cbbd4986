"""Key columns and their values: what write sets and read sets are exact about.

Equal values in the database must be equal here, so only types are taken whose equality is that of Python's ``int`` and
``str``. Values of any other Python type are ``UNKNOWN``: the database may convert them to a value that another
statement names differently.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from enum import Enum
from typing import Any, Final, Literal, NamedTuple

from sqlalchemy import CHAR, NCHAR, Boolean, Integer, String, Table, Uuid
from sqlalchemy import Enum as EnumType
from sqlalchemy.types import TypeDecorator, TypeEngine

from .types import JobIdType
from .write_set import Value


class Unknown(Enum):
    """The value of a key that is not known."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN
Family = Literal["int", "bool", "uuid", "text"]
"""Types whose values may be compared with each other."""

# What a decorator must leave as it is, so that its values are those of the type that it decorates.
CHANGES: Final = ("process_bind_param", "process_result_value", "bind_processor", "result_processor", "bind_expression")


class TableName(NamedTuple):
    """A table as a statement names it. No schema: the connection's search path decides."""

    schema: str | None
    name: str

    @classmethod
    def of(cls, table: Any) -> TableName:
        return cls(table.schema, str(table.name))


class KeyColumn(NamedTuple):
    """A column whose values are reported."""

    name: str
    key: str
    family: Family
    rank: int
    """0: unique by itself; 1: any other."""
    is_primary: bool


def family_of(kind: TypeEngine[Any]) -> Family | None:
    """The family of a column's or a bind's type. None: its values are no keys."""
    if isinstance(kind, TypeDecorator):
        decorator = type(kind)
        if decorator is not JobIdType and any(
            getattr(decorator, name, None) is not getattr(TypeDecorator, name, None)
            for name in (*CHANGES, "load_dialect_impl")
        ):
            return None
        return family_of(kind.impl_instance)
    if not type(kind).__module__.startswith("sqlalchemy.") or kind._variant_mapping:
        return None
    if isinstance(kind, Boolean):
        return "bool"
    if isinstance(kind, Integer):
        return "int"
    if isinstance(kind, Uuid):
        return "uuid"
    if isinstance(kind, String) and not isinstance(kind, CHAR | NCHAR | EnumType) and kind.collation is None:
        return "text" if type(kind).__visit_name__.lower() in TEXTS else None
    return None


TEXTS: Final = frozenset({"string", "text", "unicode", "unicode_text", "varchar", "nvarchar"})


def key_value(value: Any, family: Family) -> Value | Unknown | None:
    """A value as the sets keep it. None: NULL, which equals nothing."""
    if value is None:
        return None
    kind = type(value)
    if family == "text":
        return value if kind is str else UNKNOWN
    if family == "uuid":
        if kind is uuid.UUID:
            return value.hex  # type: ignore[no-any-return]
        if kind is not str:
            return UNKNOWN
        try:
            return uuid.UUID(value).hex
        except ValueError:
            return UNKNOWN
    if kind is bool:
        return int(value)
    return value if kind is int else UNKNOWN


PLAIN: Final[dict[Family, frozenset[type]]] = {
    "int": frozenset((int, bool, type(None))),
    "bool": frozenset((int, bool, type(None))),
    "text": frozenset((str, type(None))),
    "uuid": frozenset((uuid.UUID, str, type(None))),
}


def key_values(values: Sequence[Any], family: Family) -> set[Value | None] | None:
    """Values as the sets keep them. None: one of them is not known."""
    if len(values) == 1:
        value = key_value(values[0], family)
        return None if value is UNKNOWN else {value}
    kinds = set(map(type, values))
    if not kinds <= PLAIN[family]:
        return None
    if family == "text" or (bool not in kinds and family != "uuid"):
        return set(values)
    found = {key_value(value, family) for value in set(values)}
    return None if UNKNOWN in found else found  # type: ignore[return-value]


def key_columns(table: Table) -> tuple[KeyColumn, ...]:
    """The primary key, the foreign keys and the first column of each index of a table, if they have key types."""
    leading = {next(iter(index.columns)).name for index in table.indexes if len(index.columns)}
    unique = {next(iter(index.columns)).name for index in table.indexes if index.unique and len(index.columns) == 1}
    for constraint in table.constraints:
        columns = list(getattr(constraint, "columns", ()))
        if columns and getattr(constraint, "__visit_name__", "") == "unique_constraint":
            leading.add(columns[0].name)
            if len(columns) == 1:
                unique.add(columns[0].name)
    if len(table.primary_key.columns) == 1:
        unique.add(next(iter(table.primary_key.columns)).name)
    found = []
    for column in table.columns:
        family = family_of(column.type)
        is_key = column.primary_key or column.foreign_keys or column.name in leading
        if family is not None and is_key and column.computed is None:
            rank = 0 if column.name in unique else 1
            found.append(KeyColumn(column.name, column.key, family, rank, bool(column.primary_key)))
    return tuple(found)
