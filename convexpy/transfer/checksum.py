"""One number for the rows of a table, the same on every kind of database and in any order."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from hashlib import blake2b
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Column, Dialect

from ..database.types import bound

BYTES: Final = 16
EXACT: Final = 1 << 53  # above this not every integer is a float of its own


class Checksum:
    """The number of rows and the sum of their hashes."""

    def __init__(self, columns: Sequence[Column[Any]], dialect: Dialect) -> None:
        self._columns = columns
        self._dialect = dialect
        self.rows = 0
        self.sum = 0

    def add(self, values: Sequence[Any]) -> None:
        self.rows += 1
        self.sum = (self.sum + int.from_bytes(self.of(values))) % (1 << 8 * BYTES)

    def of(self, values: Sequence[Any]) -> bytes:
        """The hash of one row."""
        row = blake2b(digest_size=BYTES)
        for column, value in zip(self._columns, values, strict=True):
            word = canonical(self._plain(column, value))
            row.update(len(word).to_bytes(8))
            row.update(word)
        return row.digest()

    def _plain(self, column: Column[Any], value: Any) -> Any:
        """An object of a user's own type, as it is stored."""
        return value if isinstance(value, PLAIN) else bound(column.type, value, self._dialect)


def canonical(value: Any) -> bytes:
    """A value as bytes: the same from every kind of database, different for different values."""
    match value:
        case Enum():
            return b"e" + value.name.encode()
        case bytes():
            return b"b" + value
        case str():
            return b"s" + value.encode("utf-8", "surrogatepass")
        case bool():
            return b"t" if value else b"f"
        case Decimal():
            return b"n" + plain_decimal(value).encode()
        case datetime() if value.tzinfo is not None:
            return b"d" + value.astimezone(UTC).replace(tzinfo=None).isoformat().encode()
        case datetime():
            return b"d" + value.isoformat().encode()
        case dict() | list():
            return b"j" + json.dumps(plain_json(value), sort_keys=True).encode()
    return type(value).__name__.encode() + b" " + repr(value).encode()


def plain_decimal(value: Decimal) -> str:
    text = f"{value:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def plain_json(value: Any) -> Any:
    """JSON as jsonb keeps it: 1.0 and 1 are one number, and so are 1e300 and its three hundred digits."""
    match value:
        case dict():
            return {key: plain_json(each) for key, each in value.items()}
        case list():
            return [plain_json(each) for each in value]
        case float() if value.is_integer() and abs(value) < EXACT:
            return int(value)
        case int() if abs(value) >= EXACT:
            return float(value)
    return value


PLAIN: Final = (type(None), Enum, bytes, str, bool, int, float, Decimal, datetime, timedelta, dict, list, UUID)
