"""``ReadSet``: what a run of a query depends on, as far as it is known. What is not known counts as read."""

from __future__ import annotations

from collections.abc import Iterable

from .write_set import Value, WriteSet

# Rows with this value in this column.
Pin = tuple[str, Value]


class ReadSet:
    """Tables, and for each the pins that confine what was read of it: a row outside of all pins was not read."""

    __slots__ = ("everything", "tables")

    def __init__(self) -> None:
        self.tables: dict[str, set[Pin] | None] = {}
        """None: any row."""
        self.everything = False
        """Any table may have been read."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ReadSet):
            return NotImplemented
        return self.everything == other.everything and self.tables == other.tables

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"ReadSet({'everything' if self.everything else self.tables})"

    def add(self, table: str, pins: Iterable[Pin] | None = None) -> None:
        """Rows of a table were read: those of any of these pins, or any row."""
        known = self.tables.setdefault(table, set())
        if pins is None or known is None:
            self.tables[table] = None
        else:
            known.update(pins)

    def add_everything(self) -> None:
        """Any row of any table may have been read."""
        self.everything = True

    def update(self, other: ReadSet) -> None:
        """Add what another statement read."""
        self.everything = self.everything or other.everything
        for table, pins in other.tables.items():
            self.add(table, pins)

    def is_touched_by(self, writes: WriteSet) -> bool:
        """Whether writes may have changed what was read."""
        if self.everything or writes.everything:
            return bool(writes) or writes.everything
        for table, keys in writes.tables.items():
            if table not in self.tables:
                continue
            pins = self.tables[table]
            if pins is None or keys is None:
                return True
            if any(column not in keys or value in keys[column] for column, value in pins):
                return True
        return False
