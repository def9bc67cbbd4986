"""Watch every statement of an engine's connections for a transaction that ended, or that would be ended by it."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Engine, PoolProxiedConnection, event
from sqlalchemy.engine import ExceptionContext

from ..errors import ConvexError, ReadOnlyError, TransactionEnded
from .errors import ConnectionLost, is_internal
from .transaction import OPEN_TRANSACTION, OpenTransaction, take_begin

# What may stand before the first word of a statement.
BEFORE: Final = r"(?:\s|;|--[^\n]*\n|/\*.*?\*/)*"
# What would end or start a transaction behind the framework's back. Savepoints are the user's to use.
TRANSACTION_STATEMENT: Final = re.compile(
    BEFORE + r"(BEGIN|START\s+TRANSACTION|COMMIT|END|ABORT|PREPARE\s+TRANSACTION|ROLLBACK(?!\s+TO\b)|ROLLBACK\s*$)\b",
    re.IGNORECASE | re.DOTALL,
)
OWN_TABLE_CHANGE: Final = re.compile(
    r"\b(?:INTO|UPDATE(?:\s+OR\s+\w+)?|DELETE\s+FROM|TRUNCATE(?:\s+TABLE)?)\s+(?:ONLY\s+)?(?:\w+\.)?"
    r"[\"`\[]?(_scheduled_functions|_convexpy_\w+)",
    re.IGNORECASE,
)
# What is about a transaction, or said once in it: who shares one with others would say it for them as well.
CONCERNS_OTHERS: Final = re.compile(
    rf"^{BEFORE}(SET|RESET|PRAGMA|NOTIFY|LISTEN|UNLISTEN|DISCARD|CREATE|DROP|ALTER|LOCK|ATTACH)\b|pg_notify|set_config"
    r"|_scheduled_functions|_convexpy_",
    re.IGNORECASE | re.DOTALL,
)
UNDO_STATEMENT: Final = re.compile(r"ROLLBACK\s+TO\b", re.IGNORECASE)
# What the two databases say when something is written in a transaction that only reads.
READ_ONLY_STATE: Final = "25006"
READ_ONLY_WORDS: Final = "readonly database"


class Verdict(NamedTuple):
    """What a statement's text says of it."""

    undoes: bool
    ends: bool
    concerns_others: bool
    own_table: str | None


@lru_cache(maxsize=5000)
def verdict_on(statement: str) -> Verdict:
    own = OWN_TABLE_CHANGE.search(statement)
    return Verdict(
        undoes=UNDO_STATEMENT.match(statement) is not None,
        ends=TRANSACTION_STATEMENT.match(statement) is not None,
        concerns_others=own is not None or CONCERNS_OTHERS.search(statement) is not None,
        own_table=own[1] if own else None,
    )


def guard(engine: Engine, begin: Callable[[Any, str], None], commit: Callable[[Any], None]) -> None:
    """Let no statement and no COMMIT through that does not belong to the transaction that was begun.

    It stands where SQLAlchemy meets the driver: an engine's own events would cost every statement more than this does.

    Args:
        begin: Begins a transaction on a driver's connection with a statement.
        commit: Commits it.
    """
    dialect: Any = engine.dialect
    undo = dialect.do_rollback_to_savepoint

    def do_begin(pooled: PoolProxiedConnection) -> None:
        try:
            begin(pooled.driver_connection, take_begin(pooled.info))
        except ConnectionLost as error:
            pooled.invalidate(error)
            raise

    def do_commit(pooled: PoolProxiedConnection) -> None:
        transaction = held_on(pooled)
        if transaction is not None and transaction.is_open:
            raise TransactionEnded("commit(): the framework commits, once the handler has returned. Remove the call")
        commit(pooled.driver_connection)

    def do_rollback_to_savepoint(connection: Connection, name: str) -> None:
        undo(connection, name)
        transaction = held_on(connection)
        if transaction is not None:
            transaction.failed = None

    dialect.do_begin, dialect.do_commit = do_begin, do_commit
    dialect.do_rollback_to_savepoint = do_rollback_to_savepoint
    for name in ("do_execute", "do_executemany"):
        event.listen(engine, name, check_statement)
    event.listen(engine, "do_execute_no_params", check_bare_statement)
    event.listen(engine, "handle_error", note_error)


def held_on(connection: Connection | PoolProxiedConnection) -> OpenTransaction | None:
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
    transaction = held_on(context.root_connection)
    if transaction is None:
        return
    verdict = verdict_on(statement)
    if verdict.undoes:
        return
    transaction.check_shortly()
    transaction.record(statement)
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


def note_error(context: ExceptionContext) -> None:
    """Something failed on a connection."""
    transaction = held_on(context.connection) if context.connection is not None else None
    error = context.original_exception
    if (
        transaction is None or transaction.expired or isinstance(error, ConvexError)
    ):  # what the guard says itself has sent nothing
        return
    if transaction.read_only and wrote(error):
        raise ReadOnlyError("a query cannot write: make it a mutation") from error
    transaction.failed = error
    if transaction.internal_error is None and is_internal(error):
        transaction.internal_error = error


def wrote(error: BaseException) -> bool:
    """Whether an error says that something was written where nothing may be."""
    return getattr(error, "sqlstate", None) == READ_ONLY_STATE or READ_ONLY_WORDS in str(error)
