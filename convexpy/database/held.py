"""A connection held for one transaction, and the guard that notices when that transaction is no longer what it was."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext

from ..errors import ReadOnlyError, TransactionEnded
from .faults import is_internal

# What would end or start a transaction behind the framework's back. Savepoints are the user's to use.
TRANSACTION_STATEMENT: Final = re.compile(r"\s*(BEGIN|COMMIT|END|ROLLBACK(?!\s+TO\b)|ROLLBACK\s*$)\b", re.IGNORECASE)
HELD: Final = "convexpy_held"


class Held:
    """One open transaction on one connection, owned by one thread until it is committed, rolled back or expired."""

    def __init__(self, connection: Connection, release: Callable[[], None], *, read_only: bool) -> None:
        self.connection = connection
        self.read_only = read_only
        self.internal_error: BaseException | None = None
        self.expired = False
        self._release = release
        self._lock = threading.Lock()
        self._open = True
        connection.info[HELD] = self

    @property
    def driver(self) -> Any:
        """The driver's connection."""
        return self.connection.connection.driver_connection

    def check(self) -> None:
        """Raise TransactionEnded if the transaction is not the one that was begun, still open."""
        if self.expired:
            raise TransactionEnded("the function ran past its time limit and its transaction was rolled back")
        if not self._open or not self.driver.in_transaction:
            why = f": {self.internal_error}" if self.internal_error else ""
            raise TransactionEnded(f"the transaction ended before its commit, so nothing of it is kept{why}")

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
            driver = self.driver
            driver.interrupt()
            driver.rollback()
            driver.execute("PRAGMA query_only = ON")  # whatever the handler still does on it changes nothing
            self._release()
            return True

    def close(self) -> None:
        """Roll back what was not committed and let the next one in."""
        with self._lock:
            if self.expired:
                self.connection.invalidate()
                self.connection.close()
                return
            self.connection.info.pop(HELD, None)
            if self._open:
                self._open = False
                self.connection.rollback()
            self._release()


def guard(engine: Engine) -> None:
    """Watch every statement of an engine's connections for a transaction that ended early."""

    @event.listens_for(engine, "before_cursor_execute")
    def check_transaction(connection: Connection, cursor: Any, statement: str, *rest: Any) -> None:
        held: Held | None = connection.info.get(HELD)
        if held is not None:
            held.check()
            if TRANSACTION_STATEMENT.match(statement):
                raise TransactionEnded(
                    f"{statement.strip()!r}: the framework begins, commits and rolls back. Use "
                    "`with ctx.db.begin_nested():` for a part that may be undone"
                )

    @event.listens_for(engine, "handle_error")
    def note_error(context: ExceptionContext) -> None:
        held: Held | None = context.connection.info.get(HELD) if context.connection is not None else None
        if held is None or held.expired:
            return
        if held.read_only and "readonly database" in str(context.original_exception):
            raise ReadOnlyError("a query cannot write: make it a mutation") from context.original_exception
        if held.internal_error is None and is_internal(context.original_exception):
            held.internal_error = context.original_exception
