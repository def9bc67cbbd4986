"""Kinds of columns: by their declared types, and by the app's models where these say more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from sqlalchemy import JSON, Table, types
from sqlalchemy.types import TypeDecorator, TypeEngine

from ..types import StoredJSON, Timestamp
from .shape import Column, Kind, Stored

# By the first of these words that a type declared on SQLite has in it.
DECLARED: Final[tuple[tuple[str, Kind], ...]] = (
    ("BOOL", "boolean"),
    ("JSON", "json"),
    ("UUID", "uuid"),
    ("DATETIME", "datetime"),
    ("TIMESTAMP", "datetime"),
    ("DATE", "date"),
    ("TIME", "time"),
    ("INTERVAL", "other"),
    ("INT", "integer"),
    ("CHAR", "text"),
    ("CLOB", "text"),
    ("TEXT", "text"),
    ("ENUM", "text"),
    ("BLOB", "bytes"),
    ("BINARY", "bytes"),
    ("REAL", "float"),
    ("FLOA", "float"),
    ("DOUB", "float"),
    ("NUMERIC", "decimal"),
    ("DECIMAL", "decimal"),
)
# A subclass stands before its class.
MODELED: Final[tuple[tuple[type[TypeEngine[Any]], Kind], ...]] = (
    (types.Enum, "enum"),
    (types.Uuid, "uuid"),
    (types.Boolean, "boolean"),
    (types.Integer, "integer"),
    (types.Float, "float"),
    (types.Numeric, "decimal"),
    (types.DateTime, "datetime"),
    (types.Date, "date"),
    (types.Time, "time"),
    (JSON, "json"),
    (types.LargeBinary, "bytes"),
    (types.String, "text"),
)
SERVER: Final[dict[str, Kind]] = {
    **dict.fromkeys(("int2", "int4", "int8", "oid", "xid8"), "integer"),
    **dict.fromkeys(("float4", "float8"), "float"),
    **dict.fromkeys(("text", "varchar", "bpchar", "name", "citext"), "text"),
    **dict.fromkeys(("timestamp", "timestamptz"), "datetime"),
    **dict.fromkeys(("time", "timetz"), "time"),
    **dict.fromkeys(("json", "jsonb"), "json"),
    "numeric": "decimal",
    "bool": "boolean",
    "date": "date",
    "interval": "interval",
    "uuid": "uuid",
    "bytea": "bytes",
}


def kind_of_declared(declared: str | None) -> Kind:
    """The kind of a column of SQLite."""
    upper = (declared or "").upper()
    known: Kind | None = next((kind for word, kind in DECLARED if word in upper), None)
    return known if known is not None else "other"


def kind_of_server(name: str, kind: str, category: str) -> Kind:
    """The kind of a column of PostgreSQL, by its type's name, kind and category in ``pg_type``."""
    if kind == "e":
        return "enum"
    known: Kind = SERVER.get(name, "other")
    return "array" if category == "A" else known


def described(column: Column, model: Table | None, *, is_sqlite: bool) -> Column:
    """A column with what the app's model knows of it: its choices, and what SQLite has no type for."""
    declared = next((each for each in model.columns if each.name == column.name), None) if model is not None else None
    if declared is None:
        return column
    kind, stored, choices = kind_of_modeled(declared.type)
    if choices:
        return replace(column, kind="enum", choices=choices)
    if not is_sqlite or kind is None or column.computed:
        return column
    return replace(column, kind=kind, stored=stored)


def kind_of_modeled(modeled: TypeEngine[Any]) -> tuple[Kind | None, Stored, tuple[str, ...]]:
    """The kind of a type of SQLAlchemy's, how SQLite stores it, and the choices of an enumeration."""
    while isinstance(modeled, TypeDecorator):
        if isinstance(modeled, Timestamp):
            return "datetime", "microseconds", ()
        if isinstance(modeled, StoredJSON):
            return "json", "", ()
        modeled = modeled.impl_instance
    kind: Kind | None = next((found for each, found in MODELED if isinstance(modeled, each)), None)
    if isinstance(modeled, types.Enum):
        return kind, "", tuple(modeled.enums)
    return kind, "hex" if kind == "uuid" else "", ()
