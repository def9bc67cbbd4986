"""Values of columns as text, which is how they are shown and edited, and text as values.

PostgreSQL converts by itself, so every value of every type arrives as it prints it. SQLite has five types of values and
no types of columns: what a column is meant for decides.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from uuid import UUID

from sqlalchemy import String, cast, literal
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.types import UserDefinedType

from ..types import EPOCH, MICROSECOND
from .shape import Column, Kind

INTEGER: Final = re.compile(r"[+-]?\d{1,20}")
FLOATS: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
NOT_FINITE: Final = frozenset(("NaN", "Infinity", "-Infinity"))
LONGEST_INTEGER: Final = 2**63
BYTES: Final = "\\x"


class ServerType(UserDefinedType[str]):
    """A type of PostgreSQL by its name, to which text is cast."""

    cache_ok = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **options: Any) -> str:
        """The name."""
        return self.name


@dataclass(frozen=True, slots=True)
class LongText:
    """The beginning of a value that is too long to be shown, and the length of the whole: characters, or bytes."""

    text: str
    length: int


Cell = str | LongText | None
"""A value as it is shown. None: NULL."""


def shown(value: object, column: Column) -> str | None:
    """A value of SQLite as text, or one of PostgreSQL, which is text already."""
    if value is None or isinstance(value, str):
        is_hex = isinstance(value, str) and column.stored == "hex" and re.fullmatch("[0-9a-fA-F]{32}", value)
        return str(UUID(value)) if is_hex else value
    if isinstance(value, bytes):
        return BYTES + value.hex()
    if column.kind == "boolean" and value in (0, 1):
        return "true" if value else "false"
    if column.stored == "microseconds" and isinstance(value, int):
        try:
            return (EPOCH + value * MICROSECOND).isoformat()
        except OverflowError:
            return str(value)
    return repr(value) if isinstance(value, float) else str(value)


def bound(text: str | None, column: Column, *, is_sqlite: bool) -> ColumnElement[Any]:
    """Text from a person as a value within a statement.

    Raises:
        ValueError: It does not fit the column. It says why.
    """
    if text is None:
        return literal(None)
    value = stored_value(text, column)
    return literal(value) if is_sqlite else known(text, column, is_sqlite=False)


def known(text: str, column: Column, *, is_sqlite: bool) -> ColumnElement[Any]:
    """Text that came from the database as the value that it was."""
    if not is_sqlite:
        return cast(literal(text, String()), ServerType(column.cast))
    try:
        return literal(stored_value(text, column))
    except ValueError:  # SQLite has values in columns that they do not fit
        return literal(text)


def stored_value(text: str, column: Column) -> object:
    """What SQLite stores for a text.

    Raises:
        ValueError: It does not fit the column.
    """
    if "\0" in text:
        raise ValueError("has a NUL character, which databases refuse")
    if column.choices and text not in column.choices:
        raise ValueError(f"is none of {', '.join(column.choices)}")
    parse = PARSERS.get(column.kind)
    return text if parse is None else parse(text, column)


def parse_integer(text: str, column: Column) -> int:
    if not INTEGER.fullmatch(text):
        raise ValueError("is no whole number")
    value = int(text)
    if not -LONGEST_INTEGER <= value < LONGEST_INTEGER:
        raise ValueError("is beyond 64 bits")
    return value


def parse_float(text: str, column: Column) -> float:
    if column.cast and text in NOT_FINITE:
        return float(text)
    if not FLOATS.fullmatch(text) or not math.isfinite(float(text)):
        raise ValueError("is no number")
    return float(text)


def parse_decimal(text: str, column: Column) -> int | float:
    if column.cast and text in NOT_FINITE:
        return float(text)
    try:
        value = Decimal(text) if FLOATS.fullmatch(text) else None
    except InvalidOperation:
        value = None
    if value is None:
        raise ValueError("is no number")
    # SQLite has no decimals: whole numbers and floating ones are what it stores.
    is_whole = value == value.to_integral_value() and abs(value) < LONGEST_INTEGER
    return int(value) if is_whole else float(value)


def parse_boolean(text: str, column: Column) -> int:
    if text not in ("true", "false"):
        raise ValueError("is neither true nor false")
    return int(text == "true")


def parse_datetime(text: str, column: Column) -> object:
    if column.cast and text in ("infinity", "-infinity"):
        return text
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("is no date with a time, such as 2030-01-31 14:30:00") from None
    wants_zone = column.stored == "microseconds" or column.cast == "timestamp with time zone"
    if wants_zone and value.tzinfo is None:
        raise ValueError("has no time zone: write Z behind it for UTC")
    if not wants_zone and value.tzinfo is not None:
        raise ValueError("has a time zone, which this column does not keep: leave it out")
    return (value - EPOCH) // MICROSECOND if wants_zone else value.isoformat(" ", "microseconds")


def parse_date(text: str, column: Column) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError("is no date, such as 2030-01-31") from None


def parse_time(text: str, column: Column) -> str:
    try:
        return time.fromisoformat(text).isoformat("microseconds")
    except ValueError:
        raise ValueError("is no time of day, such as 14:30:00") from None


def parse_uuid(text: str, column: Column) -> str:
    try:
        value = UUID(text)
    except ValueError:
        raise ValueError("is no UUID") from None
    return value.hex if column.stored == "hex" else str(value)


def parse_json(text: str, column: Column) -> str:
    try:
        json.loads(text, parse_constant=no_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is no JSON: {error}") from None
    return text


def no_constant(text: str) -> object:
    raise ValueError(f"{text} is none")


def parse_bytes(text: str, column: Column) -> bytes:
    try:
        if not text.startswith(BYTES):
            raise ValueError
        return bytes.fromhex(text[len(BYTES) :])
    except ValueError:
        raise ValueError(f"is no list of bytes, such as {BYTES}00ff") from None


def parse_other(text: str, column: Column) -> object:
    """A value for a column of SQLite of no type: a number if it is one."""
    if column.cast:
        return text
    if INTEGER.fullmatch(text) and -LONGEST_INTEGER <= int(text) < LONGEST_INTEGER:
        return int(text)
    return float(text) if FLOATS.fullmatch(text) and math.isfinite(float(text)) else text


PARSERS: Final[Mapping[Kind, Callable[[str, Column], object]]] = {
    "integer": parse_integer,
    "float": parse_float,
    "decimal": parse_decimal,
    "boolean": parse_boolean,
    "datetime": parse_datetime,
    "date": parse_date,
    "time": parse_time,
    "uuid": parse_uuid,
    "json": parse_json,
    "bytes": parse_bytes,
    "other": parse_other,
}
