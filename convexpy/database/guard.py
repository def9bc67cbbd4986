"""Watch every statement of an engine's connections for a transaction that ended, or that would be ended by it."""

from __future__ import annotations

import re
from typing import Any, Final

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext

from ..errors import ReadOnlyError, TransactionEnded
from .faults import is_internal
from .held import HELD, Held

# What would end or start a transaction behind the framework's back. Savepoints are the user's to use.
TRANSACTION_STATEMENT: Final = re.compile(
    r"(?:\s|;|--[^\n]*\n|/\*.*?\*/)*"
    r"(BEGIN|START\s+TRANSACTION|COMMIT|END|ABORT|PREPARE\s+TRANSACTION|ROLLBACK(?!\s+TO\b)|ROLLBACK\s*$)\b",
    re.IGNORECASE | re.DOTALL,
)
OWN_TABLE_CHANGE: Final = re.compile(
    r"\b(?:INTO|UPDATE(?:\s+OR\s+\w+)?|DELETE\s+FROM|TRUNCATE(?:\s+TABLE)?)\s+(?:ONLY\s+)?(?:\w+\.)?"
    r"[\"`\[]?(_scheduled_functions|_convexpy_\w+)",
    re.IGNORECASE,
)
# What is about a transaction, or said once in it: who shares one with others would say it for them as well.
CONCERNS_OTHERS: Final = re.compile(
    r"^\s*(SET|RESET|PRAGMA|NOTIFY|LISTEN|UNLISTEN|DISCARD|CREATE|DROP|ALTER|LOCK|ATTACH)\b|pg_notify|set_config"
    r"|_scheduled_functions|_convexpy_",
    re.IGNORECASE,
)
UNDO_STATEMENT: Final = re.compile(r"ROLLBACK\s+TO\b", re.IGNORECASE)
# What the two databases say when something is written in a transaction that only reads.
READ_ONLY_STATE: Final = "25006"
READ_ONLY_WORDS: Final = "readonly database"


def guard(engine: Engine) -> None:
    """Let no statement and no COMMIT through that does not belong to the transaction that was begun."""

    @event.listens_for(engine, "before_cursor_execute")
    def check_transaction(connection: Connection, cursor: Any, statement: str, *rest: Any) -> None:
        held: Held | None = connection.info.get(HELD)
        if held is not None and not UNDO_STATEMENT.match(statement):
            held.check()
            held.note(statement)
            if held.runs_handler and CONCERNS_OTHERS.search(statement):
                held.wants_alone = True
                if own := OWN_TABLE_CHANGE.search(statement):
                    raise ReadOnlyError(
                        f"{own[1]} is read-only for user code. Use ctx.schedule to schedule and to cancel"
                    )
            if TRANSACTION_STATEMENT.match(statement):
                raise TransactionEnded(
                    f"{statement.strip()!r}: the framework begins, commits and rolls back. Use "
                    "`with ctx.db.begin_nested():` for a part that may be undone"
                )

    @event.listens_for(engine, "commit")
    def refuse_commit(connection: Connection) -> None:
        held: Held | None = connection.info.get(HELD)
        if held is not None and held.is_open:
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
        error = context.original_exception
        if held.read_only and wrote(error):
            raise ReadOnlyError("a query cannot write: make it a mutation") from error
        held.failed = error
        if held.internal_error is None and is_internal(error):
            held.internal_error = error


def wrote(error: BaseException) -> bool:
    """Whether an error says that something was written where nothing may be."""
    return getattr(error, "sqlstate", None) == READ_ONLY_STATE or READ_ONLY_WORDS in str(error)
