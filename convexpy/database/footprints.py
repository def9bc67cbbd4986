"""``Footprints``: records what a transaction writes, or what a live run reads, while its statements are sent.

Each kind of database has a recorder of its own, because each says in another way what only it knows. What is doubtful
counts as read or written.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Final, Protocol

from .read_set import Pin, ReadSet
from .write_keys import WriteKeys
from .write_set import Keys, WriteSet

JOBS: Final = "_scheduled_functions"
# What a reader of jobs reads as well. Writers name the first only.
JOB_TABLES: Final = frozenset({JOBS, "_convexpy_queue", "_convexpy_finished"})
OWN_PREFIX: Final = "_convexpy_"


class FlushKeys(Protocol):
    """Knows more of the rows that an ORM flush writes than its statements say."""

    def count(self, writes: WriteKeys, context: Any) -> None:
        """One of the flush's statements. All are counted before the keys of any are asked for."""
        ...

    def keys(self, writes: WriteKeys, context: Any) -> Keys:
        """The keys of the rows that one of the flush's statements writes."""
        ...


class Footprints(ABC):
    """Hangs on one transaction. It records either reads or writes."""

    def __init__(self, writes: WriteSet, reads: ReadSet | None) -> None:
        self._writes = writes
        self._reads = reads
        self._flushed: list[tuple[WriteKeys, Any, Sequence[str]]] | None = None
        self.loads_made_up_rows = False
        """A statement has loaded objects whose attributes need not be the columns of their rows."""
        self.is_opaque = False
        """A statement may have left something in the transaction, such as a setting, that nobody has seen."""

    @abstractmethod
    def observe(self, statement: str, context: Any) -> None:
        """A statement of the user's is about to be sent. ``context``: SQLAlchemy's of its execution."""

    @abstractmethod
    def pause(self) -> None:
        """A statement of the framework's own is about to be sent."""

    @abstractmethod
    def settle(self) -> None:
        """All statements were sent: add what is not in the sets yet. May be called several times."""

    def before_undo(self) -> None:
        """A savepoint is about to be rolled back. What was read within it still counts."""
        return

    def committed(self) -> None:
        """The transaction was committed."""
        return

    def begin_flush(self) -> None:
        """The statements from here on are those of an ORM flush."""
        self._flushed = []

    def end_flush(self, flush_keys: FlushKeys | None) -> None:
        """The flush is over. None: it failed, or nothing more is known than its statements say."""
        if self._flushed is None:
            return
        self.settle_statement()
        flushed, self._flushed = self._flushed, None
        if self.loads_made_up_rows:
            flush_keys = None
        if flush_keys is not None:
            for keys, context, _ in flushed:
                flush_keys.count(keys, context)
        for keys, context, names in flushed:
            known = flush_keys.keys(keys, context) if flush_keys is not None else keys.keys(context)
            for name in names:
                self._writes.add(name, known)

    def settle_statement(self) -> None:
        """Add what only the execution of the latest statement has shown."""
        return

    def _wrote(self, keys: WriteKeys, context: Any, names: Sequence[str]) -> None:
        """A statement wrote the one table that it names, and nothing else has changed rows of it.

        Args:
            names: Of the table in the sets: several, if its rows are those of other tables too.
        """
        if self._flushed is not None:
            # SQLAlchemy may send one execution of many rows in several parts.
            if not self._flushed or self._flushed[-1][1] is not context:
                self._flushed.append((keys, context, names))
            return
        known = keys.keys(context)
        for name in names:
            self._writes.add(name, known)

    def _wrote_whole(self, tables: Iterable[str]) -> None:
        """Rows of any keys of these tables were written. The framework's own are recorded elsewhere."""
        for table in tables:
            if not is_framework_table(table):
                self._writes.add(table)

    def _read_rows(self, table: str, pins: Iterable[Pin] | None) -> None:
        """Rows of a table were read: those of any of these pins. No commit names keys of the framework's own tables."""
        if pins is None or table.startswith(OWN_PREFIX):
            self._read_whole(table)
        else:
            assert self._reads is not None
            self._reads.add(table, pins)

    def _read_whole(self, table: str) -> None:
        assert self._reads is not None
        if table in JOB_TABLES:
            self._reads.add(JOBS)
        else:
            self._reads.add(table)


def is_framework_table(name: str) -> bool:
    return name in JOB_TABLES or name.startswith(OWN_PREFIX)
