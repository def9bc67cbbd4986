"""A connection held for one transaction, and the guard that notices when that transaction is no longer what it was."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext

from ..errors import ReadOnlyError, TransactionEnded
from .faults import is_internal

# What would end or start a transaction behind the framework's back. Savepoints are the user's to use.
TRANSACTION_STATEMENT: Final = re.compile(
    r"(?:\s|;|--[^\n]*\n|/\*.*?\*/)*(BEGIN|COMMIT|END|ROLLBACK(?!\s+TO\b)|ROLLBACK\s*$)\b", re.IGNORECASE | re.DOTALL
)
OWN_TABLE_CHANGE: Final = re.compile(
    r"\b(?:INTO|UPDATE(?:\s+OR\s+\w+)?|DELETE\s+FROM)\s+(?:\w+\.)?[\"`\[]?(_scheduled_functions|_convexpy_\w+)",
    re.IGNORECASE,
)
UNDO_STATEMENT: Final = re.compile(r"ROLLBACK\s+TO\b", re.IGNORECASE)
HELD: Final = "convexpy_held"


class Held:
    """One open transaction on one connection, owned by one thread until it is committed, rolled back or expired."""

    def __init__(self, connection: Connection, release: Callable[[], None], *, read_only: bool) -> None:
        self.connection = connection
        self.read_only = read_only
        self.internal_error: BaseException | None = None
        self.failed: BaseException | None = None
        self.expired = False
        self.broken = False
        self.runs_handler = False
        # Kept: a handler may close or invalidate the connection, and then it no longer says what was behind it.
        self.driver: Any = connection.connection.driver_connection
        self._release = release
        self._lock = threading.Lock()
        self._open = True
        connection.info[HELD] = self

    def check(self) -> None:
        """Raise TransactionEnded if the transaction is not the one that was begun, still open."""
        if self.expired:
            raise TransactionEnded("the function ran past its time limit and its transaction was rolled back")
        if not self._is_whole():
            cause = self.internal_error or self.failed
            why = f": {cause}" if cause else ""
            raise TransactionEnded(f"the transaction ended before its commit, so nothing of it is kept{why}")
        if self.failed is not None:
            # PostgreSQL would refuse to go on here, so SQLite does as well: the same app must run on both.
            raise TransactionEnded(
                f"a statement failed and its error was caught, but the transaction failed with it: {self.failed}. "
                "Put what may fail into `with ctx.db.begin_nested():` and catch the error around that"
            )

    def _is_whole(self) -> bool:
        connection = self.connection
        return (
            self._open
            and connection.in_transaction()
            and not connection.invalidated
            and bool(self.driver.in_transaction)
        )

    def commit(self) -> None:
        """COMMIT, unless the transaction expired or was ended by an error that the handler swallowed."""
        with self._lock:
            self.check()
            self._open = False
        try:
            self.connection.commit()
        except BaseException:
            self._open = True  # so that close() rolls back whatever is left
            raise

    def expire(self) -> bool:
        """Roll back from another thread, so that a handler that hangs holds up nobody. False: it had ended already."""
        with self._lock:
            if not self._open or self.expired:
                return False
            self.expired = True
            with suppress(Exception):  # a handler that closed the connection left nothing to roll back
                self.driver.interrupt()
                self.driver.rollback()
                self.driver.execute("PRAGMA query_only = ON")  # whatever the handler still does on it changes nothing
            self._release()
            return True

    def close(self) -> None:
        """Roll back what was not committed and let the next one in."""
        with self._lock:
            if self.expired:
                self._discard()
                return
            was_open, self._open = self._open, False
            try:
                self.connection.info.pop(HELD, None)
                if was_open:
                    self.connection.rollback()
                # What failed may be the connection itself, or what a handler has set on it: the next gets a new one.
                self.broken = self.driver.in_transaction or self.internal_error is not None
            except Exception:
                self.broken = True
            finally:
                if self.broken:
                    self._discard()
                self._release()

    def _discard(self) -> None:
        """Close a connection that a handler left unusable. Whatever was open on it is rolled back by that."""
        if self.connection.closed:  # it is back in its pool, which rolled back
            return
        with suppress(Exception):
            self.connection.invalidate()
        with suppress(Exception):
            self.connection.close()
        self.driver.close()


def guard(engine: Engine) -> None:
    """Watch every statement of an engine's connections for a transaction that ended early."""

    @event.listens_for(engine, "before_cursor_execute")
    def check_transaction(connection: Connection, cursor: Any, statement: str, *rest: Any) -> None:
        held: Held | None = connection.info.get(HELD)
        if held is not None and not UNDO_STATEMENT.match(statement):
            held.check()
            if held.runs_handler and (own := OWN_TABLE_CHANGE.search(statement)):
                raise ReadOnlyError(f"{own[1]} is read-only for user code. Use ctx.schedule to schedule and to cancel")
            if TRANSACTION_STATEMENT.match(statement):
                raise TransactionEnded(
                    f"{statement.strip()!r}: the framework begins, commits and rolls back. Use "
                    "`with ctx.db.begin_nested():` for a part that may be undone"
                )

    @event.listens_for(engine, "commit")
    def refuse_commit(connection: Connection) -> None:
        held: Held | None = connection.info.get(HELD)
        if held is not None and held._open:
            raise TransactionEnded("commit(): the framework commits, once the handler has returned. Remove the call")

    @event.listens_for(engine, "rollback_savepoint")
    def forgive(connection: Connection, name: str, context: None) -> None:
        held: Held | None = connection.info.get(HELD)
        if held is not None:
            held.failed = None

    @event.listens_for(engine, "handle_error")
    def note_error(context: ExceptionContext) -> None:
        held: Held | None = context.connection.info.get(HELD) if context.connection is not None else None
        if held is None or held.expired:
            return
        if held.read_only and "readonly database" in str(context.original_exception):
            raise ReadOnlyError("a query cannot write: make it a mutation") from context.original_exception
        held.failed = context.original_exception
        if held.internal_error is None and is_internal(context.original_exception):
            held.internal_error = context.original_exception
