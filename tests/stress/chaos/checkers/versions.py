"""The versions of each list: which transaction wrote which value, in which order, and what each can have read."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from .history import History, Transaction, Value
from .verdict import Violation


class Read(NamedTuple):
    """What a transaction found in a list before it appended anything to it itself."""

    reader: int
    key: str
    values: list[Value]


class Versions:
    """The order of all values of every list, taken from its final state, and the transactions behind them."""

    def __init__(self, history: History) -> None:
        self.transactions = history.transactions
        self.final = history.final
        self.writer: dict[tuple[str, Value], int] = {}
        self.repeated: list[tuple[str, Value]] = []
        self._last: dict[tuple[int, str], Value] = {}
        self._index: dict[tuple[str, Value], int] = {}
        for number, transaction in enumerate(self.transactions):
            for index, (what, key, value) in enumerate(transaction.ops):
                if what == "a":
                    if (key, value) in self.writer:
                        self.repeated.append((key, value))
                    self.writer[key, value] = number
                    self._index[key, value] = index
                    self._last[number, key] = value
        self.present = {key: set(values) for key, values in self.final.items()}
        # An unknown outcome is known once another transaction has seen its effect.
        self.committed = {number for number, each in enumerate(self.transactions) if each.type == "ok"}
        for key, values in self.final.items():
            writers = (self.writer.get((key, value)) for value in values)
            self.committed.update(number for number in writers if number is not None)

    def name(self, number: int) -> str:
        return self.transactions[number].id

    def reads(self) -> Iterator[Read | Violation]:
        """What every committed transaction read from outside, and reads that disagree with the transaction itself."""
        for number, transaction in enumerate(self.transactions):
            if transaction.type == "ok":
                yield from reads_of(number, transaction)

    def is_intermediate(self, reader: int | None, key: str, values: list[Value]) -> bool:
        """Whether a list ends in the middle of what one other transaction appended to it."""
        writer = self.writer.get((key, values[-1])) if values else None
        return writer is not None and writer != reader and self._last[writer, key] != values[-1]

    def turned_round(self, key: str) -> int | None:
        """A transaction whose own appends to a list are not in the order in which it made them."""
        for before, after in pairwise(self.final.get(key, [])):
            writer = self.writer.get((key, before))
            is_one = writer is not None and writer == self.writer.get((key, after))
            if is_one and self._index[key, before] > self._index[key, after]:
                return writer
        return None


def reads_of(number: int, transaction: Transaction) -> Iterator[Read | Violation]:
    """Later reads must show the first one and the transaction's own appends since."""
    known: dict[str, list[Value]] = {}
    appended: dict[str, list[Value]] = {}
    for what, key, value in transaction.ops:
        if what == "a":
            appended.setdefault(key, []).append(value)
        elif value is not None:
            own = appended.get(key, [])
            outside = value[: len(value) - len(own)]
            agrees = value == outside + own and known.setdefault(key, outside) == outside
            if not agrees:
                expected = known.get(key, ["…"]) + own
                text = f"the transaction {transaction.id} read {value} from {key}, and must have seen {expected}"
                yield Violation("internal", text, (transaction.id,))
            elif known[key] is outside:
                yield Read(number, key, outside)
