"""Models with a column of every type there is, and a row that has a value in each of them."""

from __future__ import annotations

import enum
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

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
    Identity,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
    Time,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator

from convexpy.database.types import JobIdType, StoredJSON, Timestamp

NOON = datetime(2026, 1, 1, 12, 0, 0, 123456)


class Colour(enum.Enum):
    RED = 1
    GREEN = 2


class Tags(TypeDecorator[list[str]]):
    """A user's own type that has its own idea of nothing."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> str:
        return ",".join(value or [])

    def process_result_value(self, value: Any, dialect: Any) -> list[str]:
        return value.split(",") if value else []


def models() -> MetaData:
    metadata = MetaData()
    Table(
        "everything",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("flag", Boolean),
        Column("document", JSON),
        Column("binary_document", JSON().with_variant(JSONB, "postgresql")),
        Column("naive", DateTime),
        Column("aware", DateTime(timezone=True)),
        Column("price", Numeric(10, 2)),
        Column("weight", Float),
        Column("colour", Enum(Colour)),
        Column("uuid", Uuid),
        Column("bytes", LargeBinary),
        Column("day", Date),
        Column("at", Time),
        Column("small", SmallInteger),
        Column("big", BigInteger),
        Column("name", String(20)),
        Column("text", Text),
        Column("moment", Timestamp),
        Column("stored", StoredJSON),
        Column("job", JobIdType),
        Column("tags", Tags),
        Column("next", Integer, Computed("id + 1", persisted=True)),
        CheckConstraint("small < 1000", name="small_is_small"),
    )
    Table(
        "tree",
        metadata,
        Column("id", Integer, Identity(always=True), primary_key=True),
        Column("parent", ForeignKey("tree.id")),
    )
    Table(
        "links",
        metadata,
        Column("tree", ForeignKey("tree.id"), primary_key=True),
        Column("everything", ForeignKey("everything.id"), primary_key=True),
        Column("spoken", JSON(none_as_null=True)),
    )
    Table("notes", metadata, Column("text", Text))
    return metadata


METADATA = models()
TREE, LINKS, NOTES = (METADATA.tables[name] for name in ("tree", "links", "notes"))
EVERYTHING = METADATA.tables["everything"]
FULL: dict[str, Any] = {
    "flag": True,
    "document": {"b": [1, 2.5, None], "a": "ü"},
    "binary_document": {"b": 1.0, "a": {"deep": [True, 10**20]}},
    "naive": NOON,
    "aware": NOON,
    "price": Decimal("12345678.90"),
    "weight": 0.1 + 0.2,
    "colour": Colour.GREEN,
    "uuid": UUID("12345678123456781234567812345678"),
    "bytes": b"\x00\xff",
    "day": date(2024, 2, 29),
    "at": time(23, 59, 59, 999999),
    "small": -32768,
    "big": 2**63 - 1,
    "name": "ü" * 20,
    "text": "line\nend \\ ' \"  trailing  ",
    "moment": datetime(1969, 12, 31, 23, 59, 59, 1, tzinfo=UTC),
    "stored": '{"b": 1,"a":  2}',
    "job": "0" * 32,
    "tags": ["a", "b"],
}
