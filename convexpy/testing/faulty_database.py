"""The real database and clock of an app, with steps at which a fault may strike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, event

from ..clock import Clock
from ..database import job_statements as sql
from ..database import tables
from ..database.commits import CommitFeed
from ..database.database import Database
from ..database.live_reader import LiveReader
from ..database.statement import Statement
from ..database.timer import Timer
from ..database.transaction import OPEN_TRANSACTION, OpenTransaction, Sync
from ..database.types import JobId
from .chaos import PROCESS, Chaos, Step, check_alive

TRACE: Final = "convexpy_trace"
MOVES: Final = {
    id(sql.CLAIM): "claim",
    id(sql.CLAIM_AND_READ): "claim",
    id(sql.INSERT_AND_ENQUEUE): "insert",
    id(sql.FINISH): "finish",
    id(sql.DEQUEUE): "finish",
    id(sql.START): "start",
    id(sql.POSTPONE): "release",
    id(sql.GIVE_BACK): "unclaim",
}


class FaultyClock(Clock):
    """The clock of the process that reads it: that of a worker may be wrong."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self) -> datetime:
        process = PROCESS.get()
        return self._clock.now() + process.clock_error if process else self._clock.now()

    def sleep(self, seconds: float) -> None:
        self._clock.sleep(seconds)


class Trace:
    """The steps of one transaction, and the move of a job that it last made."""

    def __init__(self, chaos: Chaos, dialect: str, logged: bool) -> None:
        self._chaos = chaos
        self._dialect = dialect
        self._logged = logged
        self.move = ""

    def reach(self, step: Step) -> None:
        self._chaos.reach(step, self.move, self._dialect, self._logged)

    def execute(self, statement: Any) -> None:
        """A statement is about to be sent."""
        clause = statement.clause if isinstance(statement, Statement) else statement
        self.move = MOVES.get(id(statement)) or move_by_table(clause) or self.move
        self.reach("statement")


class FaultyDatabase:
    """Every transaction that writes passes four steps. The database behind it is the real one."""

    def __init__(self, real: Database, chaos: Chaos) -> None:
        self.real = real
        self.url = real.url
        self.writers = real.writers
        self.is_server = real.is_server
        self._chaos = chaos
        self._dialect = real.url.get_backend_name()
        self._engines: list[Engine] = []

    @property
    def clock(self) -> Clock:
        return self.real.clock

    @property
    def commits(self) -> CommitFeed:
        return self.real.commits

    @property
    def timer(self) -> Timer:
        return self.real.timer

    def new_job_id(self) -> JobId:
        return self.real.new_job_id()

    @contextmanager
    def write(self, *, sync: Sync = "as set", logged: bool = False) -> Iterator[OpenTransaction]:
        trace = Trace(self._chaos, self._dialect, logged)
        trace.reach("begin")
        with self.real.write(sync=sync, logged=logged) as transaction, self._watched(transaction.connection, trace):
            stop_at_commit(transaction, trace)
            yield transaction
        self._chaos.went_well()

    @contextmanager
    def write_internal(
        self, *, sync: Sync = "later", logged: bool = False, generic_plan: bool = False
    ) -> Iterator[Connection]:
        if PROCESS.get() is None:  # a caller that does not retry
            with self.real.write_internal(sync=sync, logged=logged, generic_plan=generic_plan) as connection:
                yield connection
            return
        trace = Trace(self._chaos, self._dialect, logged)
        trace.reach("begin")
        with (
            self.real.write_internal(sync=sync, logged=logged, generic_plan=generic_plan) as connection,
            self._watched(connection, trace),
        ):
            yield connection
            trace.reach("before COMMIT")
        trace.reach("after COMMIT")
        self._chaos.went_well()

    def read(self) -> AbstractContextManager[OpenTransaction]:
        check_alive()
        return self.real.read()

    def read_internal(self, *, generic_plan: bool = False) -> AbstractContextManager[Connection]:
        check_alive()
        return self.real.read_internal(generic_plan=generic_plan)

    def ddl(self) -> AbstractContextManager[Connection]:
        check_alive()
        return self.real.ddl()

    def live_reader(self) -> LiveReader:
        return self.real.live_reader()

    def read_only(self, transaction: OpenTransaction) -> AbstractContextManager[None]:
        return self.real.read_only(transaction)

    def close(self) -> None:
        self.real.close()

    @contextmanager
    def _watched(self, connection: Connection, trace: Trace) -> Iterator[None]:
        """Report every statement on this connection to the trace."""
        engine = connection.engine
        if engine not in self._engines:
            self._engines.append(engine)
            event.listen(engine, "do_execute", about_to_execute)
            event.listen(engine, "do_executemany", about_to_execute)
        info = connection.info  # a connection that broke has none
        info[TRACE] = trace
        info[OPEN_TRANSACTION].on_statement = trace.execute
        try:
            yield
        finally:
            info.pop(TRACE, None)


def about_to_execute(cursor: Any, statement: str, parameters: Any, context: Any) -> None:
    trace: Trace | None = context.root_connection.info.get(TRACE)
    if trace is not None:
        trace.execute(context.invoked_statement)


def stop_at_commit(transaction: OpenTransaction, trace: Trace) -> None:
    """Two steps around the COMMIT of a transaction."""
    commit: Callable[[], None] = transaction.commit

    def commit_between_steps() -> None:
        trace.reach("before COMMIT")
        commit()
        trace.reach("after COMMIT")

    transaction.commit = commit_between_steps  # type: ignore[method-assign]


def move_by_table(statement: Any) -> str | None:
    """The move that a change of one of our tables is; None for a user's."""
    if not getattr(statement, "is_dml", False):
        return None
    known = {tables.jobs: "insert", tables.crons: "cron", tables.workers: "heartbeat"}
    return known.get(statement.table) if statement.table is not tables.jobs or statement.is_insert else None
