"""One run of a live query: in a snapshot that it shares with others, with a record of what its result depends on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ..clock import Clock
from ..database.database import Database
from ..database.errors import is_internal
from ..database.footprints import JOBS, is_framework_table
from ..database.read_set import ReadSet
from ..database.transaction import OpenTransaction
from ..errors import FunctionTimeout
from ..functions.load import App
from ..functions.registry import AnyFunction
from .call import Call
from .declared_reads import declared_tables
from .identity import Identity
from .session import CallTransaction


@dataclass(slots=True)
class Dependencies:
    """What a result depends on besides the database and the arguments."""

    identity: bool = False
    """``ctx.identity`` was read."""
    now: bool = False
    """``ctx.now`` was read."""
    refresh: timedelta | None = None
    """The shortest ``refresh`` of the queries that ran."""


@dataclass(slots=True)
class LiveRun:
    """What one run of a query gave."""

    reads: ReadSet
    depends: Dependencies
    value: Any = None
    error: BaseException | None = None
    """What the query raised, instead of a value."""
    seconds: float = 0.0
    """How long it took."""
    journal: str | None = None
    """Where the page that it made ends."""


class LivePart(CallTransaction):
    """A live query's part of a snapshot."""

    def __init__(self, database: Database, app: App, transaction: OpenTransaction, clock: Clock, call: Call) -> None:
        super().__init__(database, app, transaction, clock)
        self._identity = call.identity
        self.dependencies = Dependencies()

    @property
    def identity(self) -> Identity | None:
        """``ctx.identity``, which is noted."""
        self.dependencies.identity = True
        return self._identity

    @property
    def now(self) -> datetime:
        """``ctx.now``, which is noted."""
        self.dependencies.now = True
        return self.began

    def attributes_of(self, call: Call) -> dict[str, Any]:
        """None: identity and time are made on demand. What the function declares is noted."""
        self._declare(call.function)
        # Only the framework's own query calls another as somebody else, whom its arguments name.
        return {} if call.identity is self._identity else {"identity": call.identity}

    def _declare(self, function: AnyFunction) -> None:
        known = self.dependencies.refresh
        if function.refresh is not None and (known is None or function.refresh < known):
            self.dependencies.refresh = function.refresh
        reads = self.transaction.reads
        if function.reads and reads is not None:
            default_schema = self.transaction.connection.dialect.default_schema_name
            for table in declared_tables(function.reads, default_schema):
                reads.add(table)


def leave(transaction: OpenTransaction, run: LiveRun) -> None:
    """Complete the record of a run, and undo what it has left in the transaction."""
    reads = run.reads
    try:
        transaction.settle_footprints()
    except Exception:  # the database cannot be asked any more
        reads.add_everything()
    # No commit says that it wrote the framework's own tables: a query of them says itself when it is refreshed.
    reads_own = any(is_framework_table(table) and table != JOBS for table in reads.tables)
    if transaction.expired or (reads_own and run.depends.refresh is None):
        reads.add_everything()
    if transaction.is_spoiled or (transaction.footprints is not None and transaction.footprints.is_opaque):
        transaction.undo_run()
    transaction.footprints = None  # it is complete, or cannot be
    transaction.reads = None


def broke(transaction: OpenTransaction, error: BaseException) -> bool:
    """Whether the database is to blame for an error, and not the query that raised it."""
    if isinstance(error, FunctionTimeout):
        return False
    return transaction.internal_error is not None or (is_internal(error) and not transaction.is_fine())
