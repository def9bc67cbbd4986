"""``RowWatch``: which rows one transaction inserts, updates and deletes, seen from its statements.

Before a statement that writes, the rows that it is about are read as they are; at the end they are read again. So what
a savepoint has undone is no change. Of which rows a text of SQL is about, only a whole table tells: it is read if it is
small. What is not known is said so.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import MetaData, Table, event
from sqlalchemy.exc import NoSuchTableError

from .footprint import footprint
from .footprints import is_framework_table
from .row_changes import RowChanges
from .savepoints import read_savepoint
from .statement_keys import StatementKeys
from .transaction import OpenTransaction
from .watched_rows import WatchedTable
from .written_rows import key_values_of, rows_to_write

MOST_STATEMENTS: Final = 50
LONGEST_STATEMENT: Final = 1000
SAVEPOINT: Final = "convexpy_watch"
SENT: Final = "_convexpy_sent"


@dataclass(slots=True)
class SentStatement:
    """A statement that was sent, how many rows it returned or changed, and how long it took."""

    text: str
    rows: int | None = None
    """None: the database does not say."""
    seconds: float = 0.0


@dataclass(slots=True)
class WatchReport:
    """What a transaction has done so far."""

    changes: list[RowChanges] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    """Sentences about what else it wrote or may have written."""
    statements: list[SentStatement] = field(default_factory=list)
    statement_count: int = 0


class RowWatch:
    """Watches the statements that SQLAlchemy sends within a transaction, from its first to its last."""

    def __init__(self, transaction: OpenTransaction) -> None:
        self._transaction = transaction
        self._connection = transaction.connection
        self._tables: dict[str, WatchedTable] = {}
        self._unread: dict[str, str] = {}
        self._statements: list[SentStatement] = []
        self._count = 0
        self._is_reading = False

    @contextmanager
    def watching(self) -> Iterator[RowWatch]:
        """Watch what is sent within the block."""
        listeners = (("before_cursor_execute", self._before), ("after_cursor_execute", self._after))
        for name, listener in listeners:
            event.listen(self._connection, name, listener)
        try:
            yield self
        finally:
            for name, listener in listeners:
                event.remove(self._connection, name, listener)

    def report(self) -> WatchReport:
        """The net changes up to now. The transaction must be whole."""
        report = WatchReport(statements=self._statements, statement_count=self._count)
        with self._reading():
            self._transaction.settle_footprints()
            for watched in self._tables.values():
                changes = watched.changes(self._connection)
                if changes.rows:
                    report.changes.append(changes)
                report.unknown += changes.unknown
        report.unknown += [f"{name}: {why}" for name, why in self._unread.items()]
        writes = self._transaction.changes.writes
        if writes.everything:
            report.unknown.append("any table: a statement does not show which rows it writes")
        report.unknown += [
            f"{name}: rows of it were written by a trigger, a cascade or a function, and are not shown"
            for name in sorted(writes.tables)
            if not is_framework_table(name) and name not in {*self._tables, *self._unread, "sqlite_sequence"}
        ]
        return report

    def _before(self, _: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if self._is_reading or read_savepoint(statement) is not None:
            return
        keys = StatementKeys.of(statement, context)
        if keys is None or keys.is_change or keys.has_text:
            with self._reading():
                self._look(statement, keys, context)
        self._count += 1
        if len(self._statements) < MOST_STATEMENTS:
            sent = SentStatement(statement[:LONGEST_STATEMENT], seconds=time.perf_counter())
            self._statements.append(sent)
            setattr(context, SENT, sent)

    def _after(self, _: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        sent: SentStatement | None = vars(context).pop(SENT, None)
        if sent is not None:
            sent.seconds = time.perf_counter() - sent.seconds
            sent.rows = cursor.rowcount if cursor.rowcount >= 0 else None

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """What is sent within the block is this watch's own."""
        transaction = self._transaction
        self._is_reading, before = True, transaction.runs_handler
        transaction.runs_handler = False
        try:
            yield
        finally:
            transaction.runs_handler = before
            self._is_reading = False

    def _look(self, statement: str, keys: StatementKeys | None, context: Any) -> None:
        """Read what a statement is about to write. Whatever fails is undone, and the rows count as not known."""
        transaction = self._transaction
        transaction.wait_for_begin()
        self._pause_footprints()
        writes = transaction.changes.writes
        known = dict(writes.tables), writes.everything
        transaction.driver.execute(f"SAVEPOINT {SAVEPOINT}")
        names = [str(table.name) for table in keys.written] if keys is not None and keys.written else None
        try:
            self._read(statement, keys, context)
        except Exception:
            with suppress(Exception):
                transaction.driver.execute(f"ROLLBACK TO {SAVEPOINT}")
                transaction.failed = transaction.internal_error = None
            for name in names or sorted(footprint(statement).writes):
                self._unread[name] = "which rows were written is not known"
        finally:
            self._pause_footprints()
            writes.tables, writes.everything = known  # what was sent here only reads, whatever it looks like
            transaction.driver.execute(f"RELEASE {SAVEPOINT}")

    def _pause_footprints(self) -> None:
        if self._transaction.footprints is not None:
            self._transaction.footprints.pause()

    def _read(self, statement: str, keys: StatementKeys | None, context: Any) -> None:
        compiled = getattr(context, "compiled", None)
        if keys is not None and not keys.has_text and len(keys.written) == 1 and compiled is not None:
            table = compiled.compile_state.statement.table if compiled.compile_state is not None else None
            if isinstance(table, Table) and (compiled.isinsert or compiled.isupdate or compiled.isdelete):
                self._read_rows(table, compiled, context)
                return
        for name in sorted(footprint(statement).writes):
            if not is_framework_table(name):
                self._read_whole(name)

    def _read_rows(self, table: Table, compiled: Any, context: Any) -> None:
        if is_framework_table(table.name):
            return
        watched = self._watched(table)
        if compiled.isinsert:
            watched.note_highest(self._connection)
            watched.read_keys(self._connection, key_values_of(table, context))
            return
        for rows in rows_to_write(table, compiled, context):
            watched.read(self._connection, rows)
        if compiled.isdelete:
            self._read_cascades(table, compiled, context)

    def _read_cascades(self, table: Table, compiled: Any, context: Any) -> None:
        """The rows that follow a deleted one are read with their tables, if these are small."""
        for other in table.metadata.tables.values():
            follows = any(key.column.table is table and key.ondelete for key in other.foreign_keys)
            if follows and other is not table and not self._watched(other).is_whole:
                self._watched(other).read_whole(self._connection)
                self._read_cascades(other, compiled, context)

    def _read_whole(self, name: str) -> None:
        table = next((each.table for each in self._tables.values() if each.table.name == name), None)
        if table is None:
            try:
                table = Table(name, MetaData(), autoload_with=self._connection, resolve_fks=False)
            except NoSuchTableError:
                return  # a view, or a table that the statement creates
        self._watched(table).read_whole(self._connection)

    def _watched(self, table: Table) -> WatchedTable:
        return self._tables.setdefault(table.name, WatchedTable(table))
