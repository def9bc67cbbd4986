"""``SubscriptionIndex``: the live queries that a commit touches, found by the keys that it wrote."""

from __future__ import annotations

from typing import Generic, TypeVar

from ..database.read_set import ReadSet
from ..database.write_set import Value, WriteSet

Q = TypeVar("Q")


class TableIndex(Generic[Q]):
    """What reads one table."""

    def __init__(self) -> None:
        self.whole: set[Q] = set()
        """Those that read any row."""
        self.pinned: dict[str, dict[Value, set[Q]]] = {}
        """By column and value, those that read the rows with this value in this column."""
        self.readers: set[Q] = set()
        """All of them."""


class SubscriptionIndex(Generic[Q]):
    """Live queries by what they read. A lookup costs as much as there are written keys, and queries found."""

    def __init__(self) -> None:
        self._reads: dict[Q, ReadSet] = {}
        self._tables: dict[str, TableIndex[Q]] = {}
        self._everything: set[Q] = set()

    def replace(self, query: Q, reads: ReadSet) -> None:
        """A query reads this, and what it read before counts no more."""
        known = self._reads.get(query)
        if known is not None:
            if known is reads or known == reads:
                return
            self.remove(query)
        self._reads[query] = reads
        if reads.everything:
            self._everything.add(query)
        for table, pins in reads.tables.items():
            index = self._tables.setdefault(table, TableIndex())
            index.readers.add(query)
            if pins is None:
                index.whole.add(query)
            for column, value in pins or ():
                index.pinned.setdefault(column, {}).setdefault(value, set()).add(query)

    def remove(self, query: Q) -> None:
        """Forget a query."""
        reads = self._reads.pop(query, None)
        if reads is None:
            return
        self._everything.discard(query)
        for table, pins in reads.tables.items():
            index = self._tables[table]
            index.readers.discard(query)
            index.whole.discard(query)
            for column, value in pins or ():
                values = index.pinned[column]
                values[value].discard(query)
                if not values[value]:
                    del values[value]
                if not values:
                    del index.pinned[column]
            if not index.readers:
                del self._tables[table]

    def find(self, writes: WriteSet) -> set[Q]:
        """The queries whose reads these writes touch: those of which ``ReadSet.is_touched_by`` says so."""
        if writes.everything:
            return set(self._reads)
        found = set(self._everything) if writes else set()
        for table, keys in writes.tables.items():
            index = self._tables.get(table)
            if index is None:
                continue
            if keys is None:
                found |= index.readers
                continue
            found |= index.whole
            for column, values in index.pinned.items():
                if column not in keys:  # rows of any value
                    found.update(*values.values())
                    continue
                for value in keys[column]:
                    found |= values.get(value, set())
        return found
