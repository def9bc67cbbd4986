"""``Position``: what a snapshot of a SQLite file contains, and the rows of the commit log that are new since."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Self

from ..live_reader import MOST_COMMITS
from ..log_pruning import MARK
from ..tables import commits, metadata_table

SELECT_POSITION: Final = (
    f"SELECT (SELECT coalesce(max(position), 0) FROM {commits.name}), "
    f"(SELECT value FROM {metadata_table.name} WHERE key = '{MARK}')"
)
SELECT_NEW: Final = (
    f"SELECT function, writes FROM {commits.name} WHERE position > ? ORDER BY position LIMIT {MOST_COMMITS + 1}"
)


class Position(NamedTuple):
    """The last row of the log. One transaction writes at a time, so a snapshot contains it and all rows before it."""

    last: int
    schema: int
    """Changes with every change of a table, by any program."""

    @classmethod
    def read(cls, driver: Any) -> tuple[Self, int]:
        """The position of the snapshot that is open on a connection, or begins here; and the mark of the pruning."""
        last, mark = driver.execute(SELECT_POSITION).fetchone()
        return cls(last, driver.execute("PRAGMA schema_version").fetchone()[0]), int(mark or 0)

    def is_followed_by(self, later: Position, mark: int) -> bool:
        """Whether the log as a later snapshot shows it holds all that is new in that snapshot."""
        return later.last >= self.last and later.schema == self.schema and mark <= self.last + 1

    def select_new(self, driver: Any) -> Sequence[tuple[str | None, str | None]]:
        """The rows of the snapshot that are new since this position."""
        rows: Sequence[tuple[str | None, str | None]] = driver.execute(SELECT_NEW, (self.last,)).fetchall()
        return rows
