"""``ctx.db``: an ordinary SQLAlchemy session, except that the framework alone begins, commits and rolls back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from sqlalchemy import Connection, Engine, event
from sqlalchemy.orm import Session, SessionTransaction
from sqlalchemy.sql.dml import UpdateBase

from ..database.scheduled_function import ScheduledFunction
from ..database.transaction import OPEN_TRANSACTION, OpenTransaction
from ..errors import ReadOnlyError, TransactionEnded
from .schedule import Mark, ScheduleBuffer


class TransactionSession(Session):
    """The session of one call. It lives inside the call's transaction and cannot end it."""

    def __init__(self, connection: Connection, buffer: ScheduleBuffer | None) -> None:
        super().__init__(connection, expire_on_commit=False, join_transaction_mode="rollback_only")
        self._connection = connection
        self.buffer = buffer
        self.marks: dict[SessionTransaction, Mark] = {}
        self.is_read_only = False
        self.is_over = False

    def get_bind(self, *args: Any, **kwargs: Any) -> Engine | Connection:
        if self.is_over:  # its connection may be in another call's transaction by now
            raise TransactionEnded("ctx.db was used after its call had ended. Do the work before the handler returns")
        return super().get_bind(*args, **kwargs)

    def connection(self, *args: Any, **kwargs: Any) -> Connection:
        """As in ``Session``. Who wants only that, for SQL of their own, needs nothing that a session begins."""
        connection = super().connection(*args, **kwargs) if args or kwargs or self.is_over else self._connection
        held: OpenTransaction | None = connection.info.get(OPEN_TRANSACTION)
        if held is not None:
            held.wait_for_begin()
        return connection

    def begin(self, nested: bool = False) -> SessionTransaction:
        transaction = super().begin(nested)
        if nested and self.buffer is not None:
            self.marks[transaction] = self.buffer.mark()
        return transaction

    def flush(self, objects: Sequence[Any] | None = None) -> None:
        if self._is_clean():
            return
        if self.is_read_only:
            refuse_changes(self)
        for changed in (*self.new, *self.dirty, *self.deleted):
            if isinstance(changed, ScheduledFunction) and (changed not in self.dirty or self.is_modified(changed)):
                refuse_own_table("ScheduledFunction")
        super().flush(objects)

    def execute(self, statement: Any, *args: Any, **kwargs: Any) -> Any:
        """As in ``Session``. Where there are no objects, no one has to be told of an UPDATE or a DELETE."""
        if isinstance(statement, UpdateBase) and not self.identity_map and self._is_clean():
            options = kwargs.get("execution_options") or {}
            kwargs["execution_options"] = {"synchronize_session": False, **options}
        return super().execute(statement, *args, **kwargs)

    def end(self) -> None:
        """Let go of every object, which stays readable, and refuse to be used again."""
        self.is_over = True
        if self.in_transaction() or self.identity_map or not self._is_clean():
            self.close()

    def commit(self) -> NoReturn:
        raise TransactionEnded("ctx.db.commit(): the framework commits, once the handler has returned. Remove the call")

    def rollback(self) -> NoReturn:
        raise TransactionEnded(
            "ctx.db.rollback(): raise an error to undo the whole call, or use `with ctx.db.begin_nested():` for a part"
        )

    def settle(self, within: SessionTransaction | None = None) -> None:
        """Send every change to the database; for a query, refuse them instead.

        A ``begin_nested()`` that was left open counts as done, as in ``Session.commit()``, but not the one that all of
        this happens within.
        """
        if self.is_read_only and not self._is_clean():
            refuse_changes(self)
        while (nested := self.get_nested_transaction()) is not within and nested is not None:
            nested.commit()
        self.flush()

    def undo(self, within: SessionTransaction | None) -> None:
        """Roll back every ``begin_nested()`` that was left open within this one."""
        while (nested := self.get_nested_transaction()) is not within and nested is not None:
            nested.rollback()


def refuse_changes(session: Session) -> None:
    modified = (each for each in session.dirty if session.is_modified(each))
    changed = next(iter((*session.new, *session.deleted, *modified)), None)
    if changed is not None:
        raise ReadOnlyError(f"a query changed {type(changed).__name__}: it reads one snapshot. Make it a mutation")


@event.listens_for(TransactionSession, "after_soft_rollback")
def undo_schedules(session: TransactionSession, transaction: SessionTransaction) -> None:
    """What a savepoint undoes includes what was scheduled and canceled since."""
    if session.buffer is not None and transaction in session.marks:
        session.buffer.undo_to(session.marks.pop(transaction))


def refuse_own_table(name: str) -> NoReturn:
    raise ReadOnlyError(f"{name} is read-only for user code. Use ctx.schedule to schedule and to cancel")
