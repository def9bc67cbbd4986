"""What one call reads, writes and schedules: its part of an open transaction, and ``ctx.db``, its session."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, NoReturn

from sqlalchemy import Connection, Engine, event
from sqlalchemy.orm import Session, SessionTransaction
from sqlalchemy.orm.attributes import instance_state
from sqlalchemy.sql.dml import UpdateBase

from ..clock import Clock
from ..database.database import Database
from ..database.savepoints import Savepoints
from ..database.scheduled_function import ScheduledFunction
from ..database.transaction import OPEN_TRANSACTION, OpenTransaction, transaction_on
from ..errors import ReadOnlyError, TransactionEnded
from ..functions.load import App
from .call import Call
from .events import Scheduled
from .flush_keys import FlushedObjects
from .job_reader import JobReader
from .schedule import NOTHING, Mark, Schedule, ScheduleBuffer


class CallTransaction:
    """What one query or mutation reads, writes and schedules: its part of an open transaction."""

    def __init__(
        self,
        database: Database,
        app: App,
        transaction: OpenTransaction,
        clock: Clock,
        new_buffer: Callable[[datetime], ScheduleBuffer] | None = None,
    ) -> None:
        """``new_buffer`` makes the buffer for what a mutation schedules; a query has none."""
        self.database = database
        self._clock = clock
        self._new_buffer = new_buffer
        self._buffer: ScheduleBuffer | None = None
        self.app = app
        self.transaction = transaction
        self.began = clock.now()
        self._db: TransactionSession | None = None
        self._system: JobReader | None = None
        self._is_over = False
        self._pages: list[tuple[Call, str]] = []
        # Objects that another session has loaded: what they say of their rows may be old.
        self.foreign_objects: set[Any] = set()
        self.savepoints = transaction.savepoints = Savepoints(self, transaction.dialect)
        transaction.runs_handler = True

    @property
    def now(self) -> datetime:
        """``ctx.now``."""
        return self.began

    def attributes_of(self, call: Call) -> dict[str, Any]:
        """The attributes that the context of a call begins with, besides those of every call."""
        return {"identity": call.identity, "now": self.began}

    # The session, the job reader and the buffer are made when they are first asked for: many a call needs one of them.

    @property
    def db(self) -> TransactionSession:
        """``ctx.db``."""
        if self._db is None:
            self._db = TransactionSession(self)
            self._db.is_read_only = self.transaction.read_only
            if self._is_over:
                self._db.end()
        return self._db

    @property
    def system(self) -> JobReader:
        """``ctx.system``: the jobs as this transaction sees them."""
        if self._system is None:
            self._system = JobReader(self.transaction.connection, self.buffer, self.began, self.transaction.reads)
            if self._is_over:
                self._system.close()
        return self._system

    @property
    def schedule(self) -> Schedule:
        """``ctx.schedule``."""
        buffer = self.buffer
        assert buffer is not None
        return Schedule(buffer, self.began)

    @property
    def buffer(self) -> ScheduleBuffer | None:
        """What the commit will insert and cancel. None: this is a query."""
        if self._buffer is None and self._new_buffer is not None:
            self._buffer = self._new_buffer(self.began)
            if self._is_over:
                self._buffer.close()
        return self._buffer

    def scheduled(self) -> tuple[Scheduled, ...]:
        """What was scheduled and not canceled again, for logs."""
        return self._buffer.scheduled() if self._buffer is not None else ()

    def note_page(self, call: Call, end: str) -> None:
        """A call has made a page, which ends at a cursor."""
        self._pages.append((call, end))

    def end_of_page(self, call: Call) -> str | None:
        """Where the page ends that a call has made. None: it has made none."""
        return next((end for each, end in self._pages if each is call), None)

    def mark(self) -> Mark:
        """How much is scheduled, where a savepoint begins."""
        return self._buffer.mark() if self._buffer is not None else NOTHING

    def undo_to(self, mark: Mark) -> None:
        """Forget what was scheduled and canceled since a savepoint."""
        if self._buffer is not None:
            self._buffer.undo_to(mark)

    def send_rows(self) -> None:
        """Send the session's changes, before a savepoint that it does not make itself."""
        if self._db is not None and not self._db._flushing:
            self._db.flush()

    def forget_rows(self) -> None:
        """Read rows again when they are needed: a savepoint undoes some."""
        if self._db is not None:
            self._db.expire_all()

    @contextmanager
    def nested(self) -> Iterator[None]:
        """A part that is undone alone: its writes, its schedules and its cancels, if the block raises."""
        with self.db.begin_nested():
            yield

    @contextmanager
    def reading(self) -> Iterator[None]:
        """A part that may not write: a query that was called from a mutation."""
        if self.db.is_read_only:
            yield
            return
        self.db.flush()
        around = self.db.get_nested_transaction()
        with self.database.read_only(self.transaction):
            self.db.is_read_only = True
            try:
                yield
                self.db.finish(around)
            except BaseException:
                with suppress(Exception):  # the error that is under way says more
                    self.db.undo(around)
                raise
            finally:
                self.db.is_read_only = False

    def flush(self) -> None:
        """Send the call's writes and then its schedules to the database.

        Raises:
            TransactionEnded: The handler has swallowed an error that ended the transaction.
        """
        if self._db is not None:
            self._db.finish()
        self.transaction.runs_handler = False
        self.transaction.check_shortly()
        if self.transaction.internal_error is not None:
            raise TransactionEnded("a database error was caught by the handler") from self.transaction.internal_error
        if self._buffer is not None:
            self._buffer.write(self.transaction.connection, self._clock.now())

    def close(self) -> None:
        """The call is over: what it held can no longer be used."""
        self._is_over = True
        if self._db is not None:
            self._db.end()
            self._db = None  # it refers to this: the two would wait for the garbage collector
        if self._system is not None:
            self._system.close()
        if self._buffer is not None:
            self._buffer.close()
        self.savepoints.close()


class TransactionSession(Session):
    """The session of one call. It lives inside the call's transaction and cannot end it."""

    def __init__(self, part: CallTransaction) -> None:
        connection = part.transaction.connection
        super().__init__(connection, expire_on_commit=False, join_transaction_mode="rollback_only")
        self._connection = connection
        self.part = part
        self.is_read_only = False
        self.is_undone = False
        self.is_over = False

    def get_bind(self, *args: Any, **kwargs: Any) -> Engine | Connection:
        if self.is_over:  # its connection may be in another call's transaction by now
            raise TransactionEnded("ctx.db was used after its call had ended. Do the work before the handler returns")
        return super().get_bind(*args, **kwargs)

    def connection(self, *args: Any, **kwargs: Any) -> Connection:
        """As in ``Session``. For plain SQL, nothing needs to be begun that a session begins."""
        connection = super().connection(*args, **kwargs) if args or kwargs or self.is_over else self._connection
        transaction: OpenTransaction | None = connection.info.get(OPEN_TRANSACTION)
        if transaction is not None:
            transaction.wait_for_begin()
        return connection

    def begin(self, nested: bool = False) -> SessionTransaction:
        if not nested:
            raise TransactionEnded(
                "ctx.db.begin(): the framework has begun the transaction of the call. "
                "Remove it, or use `with ctx.db.begin_nested():` for a part that may be undone"
            )
        transaction = super().begin(nested)
        savepoints = self.part.savepoints
        savepoints.is_own = True
        try:
            super().connection()  # at once: statements past the session are within the savepoint too
        finally:
            savepoints.is_own = False
        return transaction

    def flush(self, objects: Sequence[Any] | None = None) -> None:
        if self._is_clean():
            return
        if self.is_read_only:
            refuse_changes(self)
        for changed in (*self.new, *self.dirty, *self.deleted):
            if isinstance(changed, ScheduledFunction) and (changed not in self.dirty or self.is_modified(changed)):
                refuse_own_table("ScheduledFunction")
        footprints = self.part.transaction.footprints
        if footprints is None:
            super().flush(objects)
            return
        footprints.begin_flush()
        try:
            super().flush(objects)
        finally:
            footprints.end_flush(None)  # it failed: what its statements say is all that is known

    def merge(self, instance: Any, *args: Any, load: bool = True, **kwargs: Any) -> Any:
        """As in ``Session``."""
        self._merges(load)
        return super().merge(instance, *args, load=load, **kwargs)

    def merge_all(self, instances: Any, *args: Any, load: bool = True, **kwargs: Any) -> Any:
        """As in ``Session``."""
        self._merges(load)
        return super().merge_all(instances, *args, load=load, **kwargs)

    def _merges(self, load: bool) -> None:
        """Without loading, attributes of objects that are here already become those of others, as if loaded so."""
        if not load and (footprints := self.part.transaction.footprints) is not None:
            footprints.loads_made_up_rows = True

    def execute(self, statement: Any, *args: Any, **kwargs: Any) -> Any:
        """As in ``Session``. Where the session holds no objects, an UPDATE or a DELETE has none to synchronize."""
        if isinstance(statement, UpdateBase) and not self.identity_map and self._is_clean():
            options = kwargs.get("execution_options") or {}
            kwargs["execution_options"] = {"synchronize_session": False, **options}
        return super().execute(statement, *args, **kwargs)

    def end(self) -> None:
        """Let go of every object, which stays readable, and refuse to be used again."""
        self.is_over = True
        if self.in_transaction() or self.identity_map or not self._is_clean():
            super().close()

    def commit(self) -> NoReturn:
        raise TransactionEnded("ctx.db.commit(): the framework commits, once the handler has returned. Remove the call")

    def rollback(self) -> NoReturn:
        raise TransactionEnded(
            "ctx.db.rollback(): raise an error to undo the whole call, or use `with ctx.db.begin_nested():` for a part"
        )

    def close(self) -> NoReturn:
        raise TransactionEnded("ctx.db.close(): the session ends with its call. Remove the call")

    def reset(self) -> NoReturn:
        raise TransactionEnded("ctx.db.reset(): the session ends with its call. Remove the call")

    def invalidate(self) -> NoReturn:
        raise TransactionEnded("ctx.db.invalidate(): the connection is the framework's. Remove the call")

    def __enter__(self) -> NoReturn:
        raise TransactionEnded(
            "`with ctx.db`: the session ends with its call. Use ctx.db as it is, "
            "or `with ctx.db.begin_nested():` for a part that may be undone"
        )

    def finish(self, within: SessionTransaction | None = None) -> None:
        """Send every change to the database; for a query, refuse them instead.

        Raises:
            TransactionEnded: The session has undone all changes that it had not sent, and the handler went on.

        A ``begin_nested()`` that was left open counts as done, as in ``Session.commit()``, but not the one that all of
        this happens within.
        """
        if self.is_undone:
            self.part.transaction.check_shortly()  # it says more
            raise TransactionEnded(
                "the session was rolled back, by an error in a flush that was caught or by hand, and its unsent "
                "changes are lost. Put what may fail into `with ctx.db.begin_nested():` and catch the error around that"
            )
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


# A session's part may end before it needed a savepoint: its rows were never sent. So sessions are followed as well as
# statements, also those that a handler makes on the connection of its call.


@event.listens_for(Session, "after_transaction_create")
def part_begins(session: Session, transaction: SessionTransaction) -> None:
    is_own = isinstance(session, TransactionSession)
    if transaction.nested or (transaction.parent is None and not is_own):
        savepoints = savepoints_of(session)
        if savepoints is not None:
            savepoints.begin(transaction)


@event.listens_for(Session, "after_commit")
def part_is_kept(session: Session) -> None:
    savepoints = savepoints_of(session)
    if savepoints is not None:
        savepoints.keep(session.get_nested_transaction() or session.get_transaction())


@event.listens_for(Session, "after_transaction_end")
def part_ends(session: Session, transaction: SessionTransaction) -> None:
    savepoints = savepoints_of(session)
    if savepoints is not None:
        savepoints.undo(transaction)


@event.listens_for(TransactionSession, "after_rollback")
def session_is_undone(session: TransactionSession) -> None:
    if session.get_nested_transaction() is None:
        session.is_undone = True


@event.listens_for(TransactionSession, "after_flush")
def flush_is_sent(session: TransactionSession, flush_context: Any) -> None:
    footprints = session.part.transaction.footprints
    if footprints is not None:
        footprints.end_flush(FlushedObjects(flush_context.states, session._new, session.part.foreign_objects))


@event.listens_for(TransactionSession, "detached_to_persistent")
def object_is_foreign(session: TransactionSession, instance: object) -> None:
    session.part.foreign_objects.add(instance_state(instance))


def savepoints_of(session: Session) -> Savepoints | None:
    """The savepoints of the call on whose connection a session is. None: it has nothing to do with a call."""
    if isinstance(session, TransactionSession):
        return session.part.savepoints
    connection = session.bind
    if not isinstance(connection, Connection) or connection.closed or connection.invalidated:
        return None
    transaction = transaction_on(connection)
    return transaction.savepoints if transaction is not None else None


def refuse_own_table(name: str) -> NoReturn:
    raise ReadOnlyError(f"{name} is read-only for user code. Use ctx.schedule to schedule and to cancel")
