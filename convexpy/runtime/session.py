"""``ctx.db``: an ordinary SQLAlchemy session, except that the framework alone begins, commits and rolls back."""

from __future__ import annotations

from typing import Any, NoReturn

from sqlalchemy import Connection, Engine, event
from sqlalchemy.orm import ORMExecuteState, Session, SessionTransaction, UOWTransaction
from sqlalchemy.sql.dml import UpdateBase

from ..database.scheduled_function import ScheduledFunction
from ..database.tables import metadata
from ..errors import ReadOnlyError, TransactionEnded
from .schedule import Mark, ScheduleBuffer


class TransactionSession(Session):
    """The session of one call. It lives inside the call's transaction and cannot end it."""

    def __init__(self, connection: Connection, buffer: ScheduleBuffer | None) -> None:
        super().__init__(connection, expire_on_commit=False, join_transaction_mode="rollback_only")
        self.buffer = buffer
        self.marks: dict[SessionTransaction, Mark] = {}
        self.is_read_only = False
        self.is_over = False

    def get_bind(self, *args: Any, **kwargs: Any) -> Engine | Connection:
        if self.is_over:  # its connection may be in another call's transaction by now
            raise TransactionEnded("ctx.db was used after its call had ended. Do the work before the handler returns")
        return super().get_bind(*args, **kwargs)

    def end(self) -> None:
        """Let go of every object, which stays readable, and refuse to be used again."""
        self.is_over = True
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
        if self.is_read_only and (self.new or self.dirty or self.deleted):
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


@event.listens_for(TransactionSession, "after_transaction_create")
def mark_savepoint(session: TransactionSession, transaction: SessionTransaction) -> None:
    if transaction.nested and session.buffer is not None:
        session.marks[transaction] = session.buffer.mark()


@event.listens_for(TransactionSession, "after_soft_rollback")
def undo_schedules(session: TransactionSession, transaction: SessionTransaction) -> None:
    """What a savepoint undoes includes what was scheduled and canceled since."""
    if session.buffer is not None and transaction in session.marks:
        session.buffer.undo_to(session.marks.pop(transaction))


@event.listens_for(TransactionSession, "before_flush")
def check_flush(session: TransactionSession, context: UOWTransaction, instances: object) -> None:
    if session.is_read_only:
        refuse_changes(session)
    for changed in (*session.new, *session.dirty, *session.deleted):
        if isinstance(changed, ScheduledFunction) and (changed not in session.dirty or session.is_modified(changed)):
            refuse_own_table("ScheduledFunction")


@event.listens_for(TransactionSession, "do_orm_execute")
def check_statement(state: ORMExecuteState) -> None:
    if not isinstance(state.statement, UpdateBase):
        return
    table: Any = state.statement.table
    if getattr(table, "metadata", None) is metadata:
        refuse_own_table(table.name)


def refuse_own_table(name: str) -> NoReturn:
    raise ReadOnlyError(f"{name} is read-only for user code. Use ctx.schedule to schedule and to cancel")
