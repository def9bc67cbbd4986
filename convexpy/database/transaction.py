"""A connection transaction for one transaction, which notices when that transaction is no longer what it was."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Literal

from sqlalchemy import Connection, Engine, PoolProxiedConnection, event
from sqlalchemy.engine import ExceptionContext

from ..errors import ConvexError, ReadOnlyError, TransactionEnded, text_of
from .commits import Commit, Publish
from .errors import ConnectionLost, driver_error, is_internal
from .footprints import Footprints
from .read_set import ReadSet
from .savepoints import Savepoints, SavepointStatement
from .statement_compiler import note_rendered
from .verdict import verdict_on

OPEN_TRANSACTION: Final = "convexpy_transaction"
BEGIN: Final = "convexpy_begin"
INHERITED: Final = (
    "this process was forked within a transaction, which its parent goes on with. Fork outside of queries and "
    "mutations, or let the child do no more than its own work and end with os._exit()"
)
CALL_IS_OVER: Final = "the context of a call was used after the call had ended. Do the work before the handler returns"

# The statements that are kept of a transaction. Equal texts are one object, unless they are long.
MOST_STATEMENTS: Final = 200
MOST_CHARACTERS: Final = 2000

# When a commit waits for the disk: as the settings say, always, or with a later one.
Sync = Literal["as set", "always", "later"]


class OpenTransaction(ABC):
    """Owned by one thread until it is committed, rolled back or expired."""

    def __init__(self, connection: Connection, *, read_only: bool, publish: Publish | None = None) -> None:
        """``publish`` is called with what the transaction has changed, once it has committed."""
        self.connection = connection
        self.changes = Commit()
        self._publish = publish
        self.read_only = read_only
        self.internal_error: BaseException | None = None
        self.failed: BaseException | None = None
        self.expired = False
        self.broken = False
        self.runs_handler = False
        self.is_open = True
        self.is_inherited = False  # this is a child that was forked within it
        self.is_committing = False
        self.waits_for_begin = False  # the thread waits for the answer to BEGIN
        self._statements: set[str] = set()
        self.leaves_state = False  # a statement left something on the connection that other calls must not meet
        # A statement of the call would concern other calls of the same transaction.
        self.not_batchable = False
        self.on_statement: Callable[[object], None] | None = None
        self.dialect = connection.dialect.name
        self.savepoints = Savepoints(None, self.dialect)
        # Kept, because a handler may close or invalidate the connection, which then no longer has a driver.
        self.driver: Any = connection.connection.driver_connection
        self._lock = threading.Lock()
        self._reads: ReadSet | None = None
        # Records what is written, or what a live run reads. Other queries have none.
        self.footprints: Footprints | None = None if read_only else self.new_footprints(None)
        connection.info[OPEN_TRANSACTION] = self

    @abstractmethod
    def wait_for_begin(self) -> None:
        """Wait until the transaction has begun: before the driver is used past SQLAlchemy."""

    @abstractmethod
    def in_transaction(self) -> bool:
        """Whether the driver's connection is in a transaction, failed or not."""

    @abstractmethod
    def is_fine(self) -> bool:
        """Whether the driver's connection is in a transaction that has not failed."""

    @abstractmethod
    def has_failed(self) -> bool:
        """Whether that transaction can only be rolled back any more."""

    @abstractmethod
    def cut(self) -> None:
        """End the transaction from another thread, at once, whatever its own thread is doing."""

    @abstractmethod
    def is_reusable(self) -> bool:
        """After its transaction: whether the next one may have the connection."""

    @abstractmethod
    def new_footprints(self, reads: ReadSet | None) -> Footprints | None:
        """A recorder of what is read from here on; with None, of what is written. None: nothing is recorded."""

    @property
    def reads(self) -> ReadSet | None:
        """What is read from here on is added to it. A live run sets it before its handler begins."""
        return self._reads

    @reads.setter
    def reads(self, reads: ReadSet | None) -> None:
        assert self.read_only, "what a mutation writes is recorded instead"
        self.settle_footprints()
        self._reads = reads
        self.footprints = self.new_footprints(reads) if reads is not None else None

    def settle_footprints(self) -> None:
        """Add to what was read or written what only the statements' execution shows. Before COMMIT, after a live run.

        Raises:
            DBAPIError: The database was asked, and did not answer.
        """
        if self.footprints is not None:
            self.footprints.settle()

    def begin_round(self, *, is_marked: bool = False) -> None:  # noqa: B027
        """Before several live runs: what each of them leaves can be undone from now on."""

    def undo_run(self) -> None:
        """Undo what a live run has left: a failed statement, a setting. Then ``is_spoiled`` tells if that was all."""
        self.failed, self.not_batchable = None, False

    @property
    def is_spoiled(self) -> bool:
        """Whether nothing may run in it any more that must not meet what was left in it."""
        if not self.is_open or self.expired or self.failed is not None:
            return True
        return self.not_batchable or self.leaves_state or not self.is_fine()

    def send_commit(self) -> None:
        """COMMIT, and nothing else."""
        self.connection.commit()

    @abstractmethod
    def release(self) -> None:
        """Let the next transaction begin. Called once, when this one is over, maybe from another thread."""

    def begin_call(self, function: str) -> None:
        """The statements from here on are those of a call of this function. Several calls may share a transaction."""
        self._statements = self.changes.statements.setdefault(function, set())

    def record(self, statement: str) -> None:
        """Keep the text of a statement. Which tables it is about is asked later, if at all."""
        if len(self._statements) < MOST_STATEMENTS:
            self._statements.add(statement if len(statement) <= MOST_CHARACTERS else statement[:MOST_CHARACTERS])

    def follow(self, statement: SavepointStatement) -> None:
        """A statement about a savepoint is about to be sent. Going back to one undoes a failure."""
        goes_back = statement.verb == "ROLLBACK"
        if not goes_back:
            self.check_shortly()
        self.savepoints.follow(statement)
        if goes_back:
            if self.footprints is not None:
                self.footprints.before_undo()
            self.failed = None

    def check(self) -> None:
        """Make sure that the transaction is the one that was begun, still open.

        Raises:
            TransactionEnded: It is not.
            ConnectionLost: Its connection is gone, which is an internal error.
        """
        if self.is_inherited:
            raise TransactionEnded(INHERITED)
        if self.expired:
            raise TransactionEnded("the function ran past its time limit and its transaction was rolled back")
        if not self._is_whole():
            if self.is_connection_lost():
                raise ConnectionLost(
                    "the connection to the database broke within a transaction, so nothing of it is kept"
                )
            cause = self.internal_error or self.failed
            why = f": {cause}" if cause else ""
            raise TransactionEnded(f"the transaction ended before its commit, so nothing of it is kept{why}")
        if self.failed is not None or self.has_failed():
            # PostgreSQL refuses to go on here, so SQLite does as well: the same app must run on both.
            raise TransactionEnded(
                "a statement failed and its error was caught, but the transaction failed with it: "
                f"{text_of(self.failed) if self.failed else 'its error is not known'}. "
                "Put what may fail into `with ctx.db.begin_nested():` and catch the error around that"
            )

    def is_connection_lost(self) -> bool:
        """Whether the connection broke by itself. Not every break raises an error in a statement."""
        return False

    def check_shortly(self) -> None:
        """The same before every statement, cheap while the driver sees nothing wrong. Not enough for COMMIT."""
        if not (self.is_open and not self.expired and self.failed is None and self.is_fine()):
            self.check()

    def _is_whole(self) -> bool:
        connection = self.connection
        return self.is_open and connection.in_transaction() and not connection.invalidated and self.in_transaction()

    def commit(self) -> None:
        """COMMIT and publish, unless the transaction expired or was ended by an error that the handler swallowed."""
        self.check_shortly()
        self.settle_footprints()
        with self._lock:
            self.check()
            self.is_open = False
        self.is_committing = True
        try:
            self.send_commit()
        except BaseException:
            self.is_open = True  # so that close() rolls back whatever is left
            raise
        if self._publish is not None:
            self._publish(self.changes, self.driver)  # while the connection is still at hand
        if self.footprints is not None:
            self.footprints.committed()

    def expire(self) -> bool:
        """Roll back from another thread, so that a handler that hangs blocks no other. False: it had ended already."""
        with self._lock:
            if not self.is_open or self.expired:
                return False
            self.expired = True
            with suppress(Exception):  # a handler that closed the connection left nothing to roll back
                self.cut()
            self.release()
            return True

    def close(self) -> None:
        """Roll back what was not committed and let the next transaction begin."""
        self.footprints = None  # it refers to this: the two would wait for the garbage collector
        if self.is_inherited:
            self._discard()
            return
        with self._lock:
            if self.expired:
                self._discard()
                return
            was_open, self.is_open = self.is_open, False
            try:
                self.connection.info.pop(OPEN_TRANSACTION, None)
                if was_open:
                    self.roll_back()
                # The connection itself may have failed, or a handler may have changed it: the next gets a new one.
                self.broken = self.leaves_state or not self.is_reusable()
            except Exception:
                self.broken = True
            finally:
                if self.broken:
                    self._discard()
                self.release()

    def inherit(self) -> None:
        """In a child: refuse every use of it. The parent commits it, or rolls it back."""
        self.is_inherited, self.is_open = True, False

    def roll_back(self) -> None:
        """Undo what is open."""
        self.connection.rollback()

    def _discard(self) -> None:
        """Close a connection that a handler left unusable. Whatever was open on it is rolled back by that."""
        if self.connection.closed:  # it is back in its pool, which rolled back
            return
        with suppress(Exception):
            self.connection.invalidate()
        with suppress(Exception):
            self.connection.close()
        self.driver.close()


def begin(connection: Connection, statement: str) -> None:
    """Begin a transaction with this statement.

    Nothing else can begin one, so a context that is used after its call starts nothing by accident.
    """
    connection.info[BEGIN] = statement
    connection.begin()


def take_begin(info: Any) -> str:
    """The statement given to ``begin``, for the transaction that begins now."""
    statement: str | None = info.pop(BEGIN, None)
    if statement is None:
        raise TransactionEnded(CALL_IS_OVER)
    return statement


# The guard: hooks of SQLAlchemy that watch every statement of an engine's connections.

# What the two databases say when something is written in a transaction that only reads.
READ_ONLY_STATE: Final = "25006"
READ_ONLY_WORDS: Final = "readonly database"


def guard(engine: Engine, begin: Callable[[Any, str], None], commit: Callable[[Any], None]) -> None:
    """Let no statement and no COMMIT through that does not belong to the transaction that was begun.

    It stands where SQLAlchemy meets the driver: an engine's own events would cost every statement more than this does.

    Args:
        begin: Begins a transaction on a driver's connection with a statement.
        commit: Commits it.
    """
    dialect: Any = engine.dialect
    rollback = dialect.do_rollback

    def do_begin(pooled: PoolProxiedConnection) -> None:
        try:
            begin(pooled.driver_connection, take_begin(pooled.info))
        except ConnectionLost as error:
            pooled.invalidate(error)
            raise

    def do_commit(pooled: PoolProxiedConnection) -> None:
        transaction = transaction_on(pooled)
        if transaction is not None and transaction.is_open:
            raise TransactionEnded("commit(): the framework commits, once the handler has returned. Remove the call")
        commit(pooled.driver_connection)

    def do_rollback(pooled: PoolProxiedConnection) -> None:
        transaction = transaction_on(pooled)
        if transaction is not None:
            transaction.wait_for_begin()  # values that cannot be bound fail before anything is sent
        rollback(pooled)

    dialect.do_begin, dialect.do_commit, dialect.do_rollback = do_begin, do_commit, do_rollback
    for name in ("do_execute", "do_executemany"):
        event.listen(engine, name, check_statement)
    event.listen(engine, "do_execute_no_params", check_bare_statement)
    event.listen(engine, "handle_error", note_error)
    note_rendered(engine)


def transaction_on(connection: Connection | PoolProxiedConnection) -> OpenTransaction | None:
    """The transaction of ours that is open on a connection."""
    try:
        transaction: OpenTransaction | None = connection.info.get(OPEN_TRANSACTION)
    except NotImplementedError:  # SQLAlchemy looks at the server before the connection is in its pool
        return None
    return transaction


def check_statement(cursor: Any, statement: str, parameters: Any, context: Any) -> None:
    check_bare_statement(cursor, statement, context)


def check_bare_statement(cursor: Any, statement: str, context: Any) -> None:
    """A statement is about to be sent."""
    transaction = transaction_on(context.root_connection)
    if transaction is None:
        return
    verdict = verdict_on(statement)
    if verdict.savepoint is not None:
        transaction.follow(verdict.savepoint)
        return
    transaction.check_shortly()
    transaction.record(statement)
    if verdict.leaves_state:
        transaction.leaves_state = True
    if transaction.runs_handler and verdict.concerns_others:
        transaction.not_batchable = True
        if verdict.own_table:
            raise ReadOnlyError(
                f"{verdict.own_table} is read-only for user code. Use ctx.schedule to schedule and to cancel"
            )
    if verdict.ends:
        raise TransactionEnded(
            f"{statement.strip()!r}: the framework begins, commits and rolls back. Use "
            "`with ctx.db.begin_nested():` for a part that may be undone"
        )
    if transaction.footprints is not None:
        transaction.footprints.observe(statement, context)


def note_error(context: ExceptionContext) -> None:
    """Something failed on a connection."""
    transaction = transaction_on(context.connection) if context.connection is not None else None
    error = context.original_exception
    # What the guard says itself has sent nothing.
    if transaction is None or transaction.expired or isinstance(error, ConvexError):
        return
    if transaction.read_only and wrote(error):
        raise ReadOnlyError("a query cannot write: make it a mutation") from error
    transaction.failed = error
    if transaction.internal_error is None and is_internal(error):
        transaction.internal_error = error


def wrote(error: BaseException) -> bool:
    """Whether an error says that something was written where nothing may be."""
    return getattr(driver_error(error), "sqlstate", None) == READ_ONLY_STATE or READ_ONLY_WORDS in text_of(error)
