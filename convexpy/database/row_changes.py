"""Changes of rows as they are shown: before and after, as texts, and bounded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any, Final, Literal, Self

MOST_SHOWN: Final = 100
"""Rows of one table."""
LONGEST_VALUE: Final = 500
"""Characters of one value."""

Row = Mapping[str, Any]
Action = Literal["inserted", "updated", "deleted"]


@dataclass(frozen=True, slots=True)
class RowChange:
    """One row. Values are texts: JSON, or a time as people write it."""

    action: Action
    key: str
    before: dict[str, str] | None
    after: dict[str, str] | None
    """Of an updated row, both hold the columns that changed."""

    @classmethod
    def of(cls, key: tuple[Any, ...], before: Row | None, after: Row | None) -> Self:
        action: Action = "inserted" if before is None else "deleted" if after is None else "updated"
        return cls(action, ", ".join(map(shown, key)), shown_row(before), shown_row(after))


@dataclass(slots=True)
class RowChanges:
    """The changed rows of one table."""

    table: str
    key: list[str]
    """The columns of its primary key."""
    rows: list[RowChange] = field(default_factory=list)
    counts: dict[Action, int] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    """Sentences about what else was written, or may have been."""

    def add(self, change: RowChange) -> None:
        self.counts[change.action] = self.counts.get(change.action, 0) + 1
        if len(self.rows) < MOST_SHOWN:
            self.rows.append(change)


def changed_columns(before: Row | None, after: Row | None) -> tuple[Row | None, Row | None]:
    """Of a row that was there before and still is, only what has changed."""
    if before is None or after is None:
        return before, after
    changed = [name for name in after if before.get(name) != after[name]]
    return {name: before[name] for name in changed}, {name: after[name] for name in changed}


def shown_row(row: Row | None) -> dict[str, str] | None:
    return None if row is None else {name: shown(value) for name, value in row.items()}


def shown(value: Any) -> str:
    """A value as text: ``"coffee"``, ``420``, ``null``, ``2026-11-29 14:32:07 UTC``, ``12 bytes``."""
    if isinstance(value, datetime):
        zone = "" if value.tzinfo is None else " UTC"
        moment = value if value.tzinfo is None else value.astimezone(UTC)
        return f"{moment.replace(tzinfo=None)}{zone}"
    if isinstance(value, date | time):
        return str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{len(bytes(value)):,} bytes"
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError, RecursionError):
        text = repr(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"
