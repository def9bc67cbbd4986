"""Which values a column of the target can store. SQLite checks neither lengths nor ranges nor, mostly, types."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Enum,
    Float,
    Integer,
    LargeBinary,
    Numeric,
    SmallInteger,
    String,
)
from sqlalchemy.types import TypeDecorator, TypeEngine

from ..database.types import bound

BITS: Final = {SmallInteger: 16, BigInteger: 64, Integer: 32}
SHOWN: Final = 40


class ValueCheck:
    """Checks values for one column of the target."""

    def __init__(self, column: Column[Any], target: Dialect) -> None:
        self._type = column.type
        self._target = target
        self._stored = stored_as(column.type, target)
        self._strict = target.name == "postgresql"
        self._zoned: bool | None = None  # whether the first time of this column had a zone

    def complaint(self, value: Any) -> str | None:
        """Why the target cannot store this value, or None. NULL is left to the target."""
        value = None if value is None else bound(self._type, value, self._target)
        if value is None:
            return None
        match self._stored:
            case Enum():
                return None  # SQLAlchemy has checked it when it was read
            case Integer():
                return self._integer(value)
            case Boolean():
                return None if isinstance(value, bool) else f"{shown(value)} is neither true nor false"
            case String():
                return self._text(value)
            case LargeBinary():
                return None if isinstance(value, bytes) else f"{shown(value)} is not bytes"
            case DateTime():
                return self._time(value)
            case Numeric() if not isinstance(self._stored, Float):
                return self._number(value)
        return None

    def _integer(self, value: Any) -> str | None:
        if not isinstance(value, int):
            return f"{shown(value)} is not an integer"
        bits = next(bits for kind, bits in BITS.items() if isinstance(self._stored, kind)) if self._strict else 64
        if not -(1 << bits - 1) <= value < 1 << bits - 1:
            return f"{value} is out of range for {self._name()}, which has {bits} bits"
        return None

    def _text(self, value: Any) -> str | None:
        if not isinstance(value, str):
            return f"{shown(value)} is not text"
        if self._strict and "\0" in value:
            return f"{shown(value)} holds a NUL character, which PostgreSQL cannot keep in text"
        length = getattr(self._stored, "length", None)
        if self._strict and length is not None and len(value) > length:
            return f"{shown(value)} has {len(value)} characters, and {self._name()} holds {length}"
        return None

    def _time(self, value: Any) -> str | None:
        if not isinstance(value, datetime):
            return f"{shown(value)} is not a time"
        zoned = value.tzinfo is not None
        if zoned and not getattr(self._stored, "timezone", False):
            return f"{value} has a time zone, and {self._name()} has none"
        if self._zoned not in (None, zoned):
            return f"{value} has {'a' if zoned else 'no'} time zone, unlike rows before it: which one is meant?"
        self._zoned = zoned
        return None

    def _number(self, value: Any) -> str | None:
        scale, precision = getattr(self._stored, "scale", None), getattr(self._stored, "precision", None)
        if not isinstance(value, Decimal) or not value.is_finite() or precision is None or not self._strict:
            return None
        whole, _, fraction = f"{abs(value):f}".partition(".")
        places = len(fraction.rstrip("0"))
        if places > (scale or 0) or len(whole.lstrip("0")) > precision - (scale or 0):
            return f"{value} has too many digits for {self._name()}"
        return None

    def _name(self) -> str:
        return self._stored.compile(dialect=self._target)


def stored_as(kind: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any]:
    """The type below all decorators."""
    while isinstance(kind, TypeDecorator):
        kind = kind.load_dialect_impl(dialect)
    return kind.dialect_impl(dialect)


def shown(value: Any) -> str:
    """A value for an error, cut short."""
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
