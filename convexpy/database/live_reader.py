"""``LiveReader``: a connection of its own that looks at the database again and again, and finds what was committed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from .transaction import OpenTransaction
from .write_set import WriteSet


class CommitRecord(NamedTuple):
    """A commit, as the commit log keeps it."""

    writes: WriteSet
    function: str | None
    """The function that wrote. None: it is not known."""


class LiveSnapshot(NamedTuple):
    """One snapshot, and what was committed between the one before and this one."""

    transaction: OpenTransaction
    """It only reads."""
    commits: Sequence[CommitRecord] | None
    """The commits that this snapshot contains and the one before did not. None: anything may have changed."""


class LiveReader(Protocol):
    """Snapshots of one database, one after the other, on one thread."""

    def snapshot(self) -> AbstractContextManager[LiveSnapshot]:
        """The next snapshot. It counts as the one before only if the block ends without an error."""
        ...

    def listen(self, wake: Callable[[], None]) -> None:
        """Call this when something may have been committed: a hint, from any thread. It must return at once."""
        ...

    def close(self) -> None:
        """Close the connection, and call ``wake`` no more."""
        ...
