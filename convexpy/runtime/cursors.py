"""Cursors: where a page begins or ends, as a text that only the query that gave it takes back."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from hashlib import blake2b
from typing import Any, Final, TypeAlias
from uuid import UUID

from ..errors import ConvexError

Position: TypeAlias = tuple[Any, ...] | None
"""The values of the order's columns in a row, after which a page begins or ends. None: the end of all rows.

Empty: their beginning.
"""

DIGEST_BYTES: Final = 16
MICROSECOND: Final = timedelta(microseconds=1)

# How the values of columns are written, by a letter for their type.
READERS: Final[Mapping[str, Callable[[str], object]]] = {
    "f": float.fromhex,
    "n": Decimal,
    "t": datetime.fromisoformat,
    "d": date.fromisoformat,
    "c": time.fromisoformat,
    "s": lambda text: int(text) * MICROSECOND,
    "u": UUID,
    "y": base64.b64decode,
}


class Cursors:
    """The cursors of one query: of its function, and of the order of its rows."""

    def __init__(self, key: bytes, query: str) -> None:
        self._key = blake2b(query.encode(), key=key).digest()

    def write(self, position: Position) -> str:
        """The cursor of a position."""
        values = None if position is None else [written(value) for value in position]
        data = json.dumps(values, separators=(",", ":")).encode()
        return as_text(self._digest(data) + data)

    def read(self, cursor: str, enums: Mapping[int, type[Enum]]) -> Position:
        """The position of a cursor. ``enums``: the columns, by their place, whose values are of an enum.

        Raises:
            ConvexError: It is not one of this query's.
        """
        if (data := self._signed_data(cursor)) is None:
            raise invalid_cursor()
        values = json.loads(data)
        if values is None:
            return None
        try:
            return tuple(value_of(value, enums.get(place)) for place, value in enumerate(values))
        except (KeyError, ValueError):  # of an enum that has lost a member since
            raise invalid_cursor() from None

    def signed(self, cursor: str | None) -> bool:
        """Whether it is one of this query's."""
        return cursor is not None and self._signed_data(cursor) is not None

    def _signed_data(self, cursor: str) -> bytes | None:
        try:
            signed = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        except ValueError:
            return None
        digest, data = signed[:DIGEST_BYTES], signed[DIGEST_BYTES:]
        is_signed = hmac.compare_digest(digest, self._digest(data))
        return data if is_signed and as_text(signed) == cursor else None

    def _digest(self, data: bytes) -> bytes:
        return blake2b(data, key=self._key, digest_size=DIGEST_BYTES).digest()


def as_text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def invalid_cursor() -> ConvexError:
    """The error by which Convex's clients know that they have to begin with the first page again."""
    return ConvexError(
        "BAD_REQUEST",
        "InvalidCursor: the cursor is not one of this query, or of an older version of it. Begin with the first page",
        {"isConvexSystemError": True, "paginationError": "InvalidCursor"},
    )


def written(value: Any) -> object:
    """The value of a column as JSON that says its type."""
    if isinstance(value, Enum):
        return ["e", value.name]
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return ["f", value.hex()]
    if isinstance(value, Decimal):
        return ["n", str(value)]
    if isinstance(value, datetime | date | time):
        kind = "t" if isinstance(value, datetime) else "d" if isinstance(value, date) else "c"
        return [kind, value.isoformat()]
    if isinstance(value, timedelta):
        return ["s", str(value // MICROSECOND)]
    if isinstance(value, UUID):
        return ["u", value.hex]
    if isinstance(value, bytes | memoryview):
        return ["y", base64.b64encode(value).decode()]
    raise ValueError(f"paginate cannot order by a column of {type(value).__name__}: no cursor can hold its values")


def value_of(stored: Any, enum: type[Enum] | None) -> object:
    if not isinstance(stored, list):
        return stored
    kind, text = stored
    if kind == "e" and enum is not None:
        return enum[text]
    return READERS[kind](text)
