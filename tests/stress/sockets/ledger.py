"""What all clients were told, held against the rows of the database: computed from the rows, and from nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from .history import Wrong

RECENT: Final = 10


class Row(NamedTuple):
    """What one mutation left in the database."""

    key: int
    n: int
    token: str
    caller: str


@dataclass
class Ledger:
    """Shared by the clients of a run."""

    sent: dict[str, str] = field(default_factory=dict)
    """Mutations by their tokens: on whose behalf."""
    done: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Those that were answered: the key, and its number after them."""
    failed: set[str] = field(default_factory=set)
    """Those that were told to have failed."""
    states: dict[tuple[int, int], tuple[str, ...]] = field(default_factory=dict)
    """What a key with a number was seen to be."""
    acts_sent: set[str] = field(default_factory=set)
    acts_done: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    """Of frames and answers, for the report."""

    def resolve(self, token: str, key: int, n: int) -> str | None:
        """A promise resolves. What is wrong with that."""
        if token in self.done or token in self.failed:
            return f"{token} resolves twice"
        self.done[token] = (key, n)
        return None

    def reject(self, token: str) -> str | None:
        """A promise is rejected. What is wrong with that."""
        if token in self.done or token in self.failed:
            return f"{token} is rejected after it resolved"
        self.failed.add(token)
        return None

    def see(self, key: int, n: int, entries: Sequence[str]) -> str | None:
        """A client is shown a state. What is wrong with it, as far as that can be told by what others were shown."""
        state = tuple(entries)
        if len(state) != min(n, RECENT):
            return f"key {key} has {n} entries, and {len(state)} are shown"
        known = self.states.setdefault((key, n), state)
        return None if known == state else f"key {key} was {known} at {n}, and is {state}"

    @property
    def unresolved(self) -> set[str]:
        return self.sent.keys() - self.done.keys() - self.failed

    def judge(self, rows: Sequence[Row], numbers: dict[int, tuple[int, int]], acts: Sequence[str]) -> None:
        """Hold everything against the database.

        Args:
            rows: Of all mutations, in any order.
            numbers: What both tables say that each key is.
            acts: The tokens of actions.

        Raises:
            Wrong: The first thing that is not as the clients were told.
        """
        for what in (self._of_rows(rows), self._of_states(rows, numbers), self._of_acts(acts)):
            if what is not None:
                raise Wrong(f"in the database: {what}")

    def _of_rows(self, rows: Sequence[Row]) -> str | None:
        found = {row.token: row for row in rows}
        twice = [token for token, times in Counter(row.token for row in rows).items() if times > 1]
        if twice:
            return f"ran twice: {[row for row in rows if row.token == twice[0]]}"
        if lost := self.done.keys() - found.keys():
            return f"{len(lost)} were answered and are not there: {sorted(lost)[:3]}"
        if left := self.failed & found.keys():
            return f"{len(left)} were told to have failed and are there: {[found[token] for token in sorted(left)[:3]]}"
        if unknown := found.keys() - self.sent.keys():
            return f"were never sent: {sorted(unknown)[:3]}"
        for token, answer in self.done.items():
            if answer != found[token][:2]:
                return f"{found[token]} was answered as {answer}"
        for token, row in found.items():
            if row.caller != self.sent[token]:
                return f"{row} ran for another caller than {self.sent[token]!r}"
        return None

    def _of_states(self, rows: Sequence[Row], numbers: dict[int, tuple[int, int]]) -> str | None:
        entries = {(row.key, row.n): f"{row.n}:{row.token}" for row in rows}
        if len(entries) != len(rows):
            return "two mutations made the same number of a key"
        many = Counter(row.key for row in rows)
        for key, pair in numbers.items():
            if pair != (many[key], many[key]):
                return f"key {key} has {many[key]} rows, and is {pair}"
        for (key, n), shown in self.states.items():
            real = tuple(entries.get((key, each), "nothing") for each in range(n, max(0, n - RECENT), -1))
            if shown != real:
                return f"key {key} was shown at {n} as {shown}, which was never committed: it was {real}"
        return None

    def _of_acts(self, acts: Sequence[str]) -> str | None:
        twice = [token for token, times in Counter(acts).items() if times > 1]
        if twice:
            return f"actions ran twice: {twice[:3]}"
        if lost := self.acts_done - set(acts):
            return f"actions were answered and did nothing: {sorted(lost)[:3]}"
        if unknown := set(acts) - self.acts_sent:
            return f"actions were never sent: {sorted(unknown)[:3]}"
        return None
