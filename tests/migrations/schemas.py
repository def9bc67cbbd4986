"""Models with a table of orders, which the tests grow and change."""

from __future__ import annotations

import enum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Date,
    DateTime,
    Enum,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
    Time,
    UniqueConstraint,
    Uuid,
    func,
    text,
    true,
)

from convexpy.database.types import JobIdType, StoredJSON, Timestamp


class Colour(enum.Enum):
    RED = 1
    GREEN = 2


def orders(*more: Any, **options: Any) -> MetaData:
    """Models with one table, ``orders``, which has an id and more."""
    metadata = MetaData()
    Table("orders", metadata, Column("id", Integer, primary_key=True), *more, **options)
    return metadata


def note() -> Column[str]:
    return Column("note", String(20))


def all_types(dialect: str) -> MetaData:
    postgresql = dialect == "postgresql"
    metadata = orders(
        Column("job", JobIdType),
        Column("time", Timestamp),
        Column("document", StoredJSON),
        Column("uuid", Uuid),
        Column("price", Numeric(10, 2)),
        Column("weight", Float),
        Column("paid", Boolean, server_default=true()),
        Column("day", Date),
        Column("made", DateTime(timezone=True), server_default=func.now(), nullable=False),
        Column("at", Time),
        Column("json", JSON),
        Column("colour", Enum(Colour), server_default="RED"),
        Column("size", Enum("s", "m", name="size", native_enum=False, create_constraint=True)),
        Column("bytes", LargeBinary),
        Column("number", SmallInteger),
        CheckConstraint("number > 0"),
        Column("big", BigInteger, server_default=text("10")),
        Column("code", String(collation="C" if postgresql else "NOCASE"), unique=True),
        Column("name", String(20), server_default="it's"),
        Column("label", String, server_default=text("('a' || 'b')")),
        Column("next", Integer, Computed("id + 1", persisted=True)),
        Column("slug", String, unique=True, index=True),
        CheckConstraint("big > 0", name="big_is_positive"),
        CheckConstraint(r"price > 0 AND name <> 'a \:b'"),
        UniqueConstraint("day", "at"),
        UniqueConstraint("day", "made", name="once"),
        sqlite_autoincrement=True,
    )
    Index("by_lower_name", func.lower(metadata.tables["orders"].c.name))
    Index("newest_first", metadata.tables["orders"].c.made.desc())
    Table("tags", metadata, Column("name", String, primary_key=True), note(), sqlite_with_rowid=False)
    Table(
        "items",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("order", ForeignKey("orders.id", ondelete="CASCADE")),
    )
    return metadata
