"""Whether a value is still what it was after it has been stored as JSON and loaded: equality alone is not enough."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from datetime import datetime, time
from decimal import Decimal
from itertools import zip_longest
from typing import Any, Final

from pydantic import BaseModel

PLAIN: Final = frozenset({str, int, bool, bytes, type(None)})
MISSING: Final = object()


def difference(before: Any, after: Any, path: str) -> str | None:
    """What differs, and where. None: nothing that code could notice.

    Equal values may differ: an ``IntEnum`` equals a number, a tuple with names a tuple, and a time in Berlin the same
    moment at a fixed offset, one day before the clocks change.
    """
    kind = type(before)
    if kind is not type(after):
        return f"{path} is a {kind.__name__} and would be a {type(after).__name__}"
    if kind in PLAIN:
        return None if before == after else f"{path} would be another {kind.__name__}"
    if isinstance(before, list | tuple | deque):
        if getattr(before, "maxlen", None) != getattr(after, "maxlen", None):
            return f"{path} would lose its maxlen"
        return first(difference(*pair, f"{path}[{index}]") for index, pair in enumerate(pairs(before, after)))
    if isinstance(before, dict):
        keys = first(difference(*pair, f"a key of {path}") for pair in pairs(before, after))
        return keys or first(difference(before[key], after[key], f"{path}.{key}") for key in before)
    if isinstance(before, set | frozenset):
        same = before == after and sorted(map(type_name, before)) == sorted(map(type_name, after))
        return None if same else f"{path} would have other elements"
    if isinstance(before, datetime | time):
        return time_difference(before, after, path)
    return object_difference(before, after, path)


def time_difference(before: datetime | time, after: datetime | time, path: str) -> str | None:
    if before.tzinfo is not None and before.tzinfo.utcoffset(None) is None:  # its offset changes with the date
        return (
            f"{path} is in the zone {before.tzinfo} and would be at a fixed offset: pass it in UTC, the zone beside it"
        )
    return None if before == after and before.fold == after.fold else f"{path} would be another time"


def object_difference(before: Any, after: Any, path: str) -> str | None:
    """Of two objects of one class that is no container."""
    if isinstance(before, float):
        same = math.isnan(before) and math.isnan(after)
        same = same or (before == after and math.copysign(1, before) == math.copysign(1, after))
        return None if same else f"{path} would be another float"
    if isinstance(before, Decimal):
        return None if before.as_tuple() == after.as_tuple() else f"{path} would be another Decimal"
    if isinstance(before, BaseModel):
        extra = difference(before.__pydantic_extra__, after.__pydantic_extra__, path)
        private = difference(before.__pydantic_private__, after.__pydantic_private__, f"{path} (private)")
        return difference(vars(before), vars(after), path) or extra or private
    if is_dataclass(before):
        names = [field.name for field in fields(before)]
        own = first(
            difference(getattr(before, name), getattr(after, name, MISSING), f"{path}.{name}") for name in names
        )
        return own or difference(vars_of(before), vars_of(after), path)
    if before == after or (hasattr(before, "__dict__") and difference(vars(before), vars(after), path) is None):
        return None
    return f"{path} would be another {type(before).__name__}"


def pairs(before: Iterable[Any], after: Iterable[Any]) -> Iterable[tuple[Any, Any]]:
    return zip_longest(before, after, fillvalue=MISSING)


def first(found: Iterable[str | None]) -> str | None:
    return next((each for each in found if each is not None), None)


def type_name(value: object) -> str:
    return type(value).__name__


def vars_of(value: object) -> dict[str, Any]:
    return getattr(value, "__dict__", {})
