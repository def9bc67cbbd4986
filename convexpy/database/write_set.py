"""``WriteSet``: what a transaction wrote, as far as it is known. What is not known counts as written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from json.encoder import encode_basestring_ascii as quoted
from typing import Final, Self

# A key's value: a bool is 0 or 1, a UUID its 32 hex digits.
Value = int | str
# Column to the values that written rows had before or have now. A column that is absent: any value.
Keys = dict[str, set[Value]]

MOST_VALUES: Final = 50
"""Of one column; more count as any value."""
MOST_CHARACTERS: Final = 16_000
"""Of the JSON text; a longer one leaves the keys out."""


class WriteSet:
    """Tables, and for each the keys of the rows that were written."""

    __slots__ = ("everything", "tables")

    def __init__(self) -> None:
        self.tables: dict[str, Keys | None] = {}
        """None: rows of any keys."""
        self.everything = False
        """Any table may have been written."""

    def __bool__(self) -> bool:
        return self.everything or bool(self.tables)

    def __repr__(self) -> str:
        return f"WriteSet({self.to_json() or 'everything'})"

    def add(self, table: str, keys: Mapping[str, Iterable[Value]] | None = None) -> None:
        """Rows of a table were written. A column counts as known only if every write of the table knows it."""
        if keys is None:
            self.tables[table] = None
        elif table not in self.tables:
            self.tables[table] = bounded({column: set(values) for column, values in keys.items()})
        elif (known := self.tables[table]) is not None:
            shared = {column: values.union(keys[column]) for column, values in known.items() if column in keys}
            self.tables[table] = bounded(shared)

    def add_everything(self) -> None:
        """Any row of any table may have been written."""
        self.everything = True

    def update(self, other: WriteSet) -> None:
        """Add what another part of the transaction wrote."""
        self.everything = self.everything or other.everything
        for table, keys in other.tables.items():
            self.add(table, keys)

    def to_json(self) -> str | None:
        """The set as the commit log keeps it. None: everything."""
        if self.everything:
            return None
        # Twice as fast as json.dumps, and every commit waits for it.
        text = f"{{{','.join([f'{quoted(table)}:{keys_as_json(keys)}' for table, keys in self.tables.items()])}}}"
        if len(text) <= MOST_CHARACTERS:
            return text
        text = json.dumps(dict.fromkeys(self.tables), separators=(",", ":"))
        return text if len(text) <= MOST_CHARACTERS else None

    @classmethod
    def from_json(cls, text: str | None) -> Self:
        """The set that was kept."""
        writes = cls()
        if text is None:
            writes.everything = True
        else:
            for table, keys in json.loads(text).items():
                writes.tables[table] = {column: set(values) for column, values in keys.items()} if keys else None
        return writes


def bounded(keys: Keys) -> Keys | None:
    """The columns with few values. None: there is none."""
    if keys and max(map(len, keys.values())) <= MOST_VALUES:
        return keys
    return {column: values for column, values in keys.items() if len(values) <= MOST_VALUES} or None


def keys_as_json(keys: Keys | None) -> str:
    if not keys:
        return "null"
    return f"{{{','.join([f'{quoted(column)}:{values_as_json(values)}' for column, values in keys.items()])}}}"


def values_as_json(values: set[Value]) -> str:
    ordered = sorted(values, key=str) if len(values) > 1 else values
    return f"[{','.join([quoted(each) if isinstance(each, str) else str(int(each)) for each in ordered])}]"
