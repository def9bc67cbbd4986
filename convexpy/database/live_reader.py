"""``LiveReader``: snapshots for live queries, and for each the commits that are new in it since the one before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from .commit_log import CommitRecord
from .transaction import OpenTransaction
from .write_set import WriteSet

MOST_COMMITS: Final = 10_000
"""Of one snapshot. After more, it is quicker to run everything again."""
LOOK_SECONDS: Final = 1.0
"""How soon a commit is noticed without any hint."""


@dataclass(frozen=True)
class LiveSnapshot:
    """One snapshot of the database, open until the end of its block."""

    transaction: OpenTransaction
    """Only reads. Any number of calls may run in it, one after the other."""
    commits: Sequence[CommitRecord] | None
    """What is in this snapshot and was not in the one before it. None: everything may have changed."""


class LiveReader(Protocol):
    """A connection of its own, and the position of the last snapshot on it. Used by one thread at a time."""

    def snapshot(self) -> AbstractContextManager[LiveSnapshot]:
        """Open a snapshot. It should be short: meanwhile the database keeps what others delete.

        The position moves on only if the block ends without an error, so that the next snapshot reports again what
        this one has reported. It is forgotten with its connection.

        Raises:
            ConnectionLost: The connection broke.
            DBAPIError: The database failed.
        """
        ...

    def listen(self, wake: Callable[[], None]) -> None:
        """Call this when there may be something new: at once for commits of this process, and soon for others'.

        It is called from any thread and must return at once. A hint is sometimes for nothing.
        """
        ...

    def close(self) -> None:
        """Hint no more, and close the connection."""
        ...


def records_of(rows: Sequence[tuple[str | None, str | None]]) -> list[CommitRecord] | None:
    """The commits of rows with a function and writes. None: they are too many."""
    if len(rows) > MOST_COMMITS:
        return None
    return [CommitRecord(WriteSet.from_json(writes), function) for function, writes in rows]
