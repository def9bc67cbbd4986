"""The real database and clock of an app, with stations on the way at which chaos may strike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, event

from ..clock import Clock
from ..database import job_statements as sql
from ..database import tables
from ..database.database import Database
from ..database.notifier import Notifier
from ..database.statement import Statement
from ..database.transaction import OPEN_TRANSACTION, OpenTransaction, Sync
from ..database.types import JobId
from .chaos import LIFE, Chaos, Station, check_alive

PASSAGE: Final = "convexpy_passage"
MOVES: Final = {
    id(sql.CLAIM): "claim",
    id(sql.CLAIM_AND_READ): "claim",
    id(sql.INSERT_AND_ENQUEUE): "insert",
    id(sql.END_ALL): "take",
    id(sql.TAKE): "take",
    id(sql.TAKE_ALL): "take",
    id(sql.START): "start",
    id(sql.TAKE_RUN): "finish",
    id(sql.POSTPONE): "release",
    id(sql.GIVE_BACK): "unclaim",
}


class FaultyClock(Clock):
    """The clock of whoever asks: that of a worker may be wrong."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self) -> datetime:
        life = LIFE.get()
        return self._clock.now() + life.clock_error if life else self._clock.now()

    def sleep(self, seconds: float) -> None:
        self._clock.sleep(seconds)


class Passage:
    """One transaction on its way, and the move of a job that it last made."""

    def __init__(self, chaos: Chaos, dialect: str, logged: bool) -> None:
        self._chaos = chaos
        self._dialect = dialect
        self._fenced = logged
        self.move = ""

    def reach(self, station: Station) -> None:
        self._chaos.reach(station, self.move, self._dialect, self._fenced)

    def execute(self, statement: Any) -> None:
        """A statement is about to be sent."""
        clause = statement.clause if isinstance(statement, Statement) else statement
        self.move = MOVES.get(id(statement)) or move_by_table(clause) or self.move
        self.reach("statement")


class FaultyDatabase:
    """Every transaction that writes passes four stations. The database behind it is the real one."""

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
    def notifier(self) -> Notifier:
        return self.real.notifier

    def new_job_id(self) -> JobId:
        return self.real.new_job_id()

    @contextmanager
    def write(self, *, sync: Sync = "as set", logged: bool = False) -> Iterator[OpenTransaction]:
        passage = Passage(self._chaos, self._dialect, logged)
        passage.reach("begin")
        with self.real.write(sync=sync, logged=logged) as transaction, self._watched(transaction.connection, passage):
            stop_at_commit(transaction, passage)
            yield transaction
        self._chaos.went_well()

    @contextmanager
    def write_internal(
        self, *, sync: Sync = "later", logged: bool = False, generic_plan: bool = False
    ) -> Iterator[Connection]:
        if LIFE.get() is None:  # an operator, whose calls nobody repeats
            with self.real.write_internal(sync=sync, logged=logged, generic_plan=generic_plan) as connection:
                yield connection
            return
        passage = Passage(self._chaos, self._dialect, logged)
        passage.reach("begin")
        with (
            self.real.write_internal(sync=sync, logged=logged, generic_plan=generic_plan) as connection,
            self._watched(connection, passage),
        ):
            yield connection
            passage.reach("before COMMIT")
        passage.reach("after COMMIT")
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

    def read_only(self, transaction: OpenTransaction) -> AbstractContextManager[None]:
        return self.real.read_only(transaction)

    def close(self) -> None:
        self.real.close()

    @contextmanager
    def _watched(self, connection: Connection, passage: Passage) -> Iterator[None]:
        """Let the passage know of every statement on this connection."""
        engine = connection.engine
        if engine not in self._engines:
            self._engines.append(engine)
            event.listen(engine, "do_execute", about_to_execute)
            event.listen(engine, "do_executemany", about_to_execute)
        info = connection.info  # a connection that broke has none
        info[PASSAGE] = passage
        info[OPEN_TRANSACTION].on_statement = passage.execute
        try:
            yield
        finally:
            info.pop(PASSAGE, None)


def about_to_execute(cursor: Any, statement: str, parameters: Any, context: Any) -> None:
    passage: Passage | None = context.root_connection.info.get(PASSAGE)
    if passage is not None:
        passage.execute(context.invoked_statement)


def stop_at_commit(transaction: OpenTransaction, passage: Passage) -> None:
    """Two stations around the COMMIT of a transaction."""
    commit: Callable[[], None] = transaction.commit

    def commit_between_stations() -> None:
        passage.reach("before COMMIT")
        commit()
        passage.reach("after COMMIT")

    transaction.commit = commit_between_stations  # type: ignore[method-assign]


def move_by_table(statement: Any) -> str | None:
    """The move that a change of one of our tables is; None for a user's."""
    if not getattr(statement, "is_dml", False):
        return None
    known = {tables.jobs: "insert", tables.crons: "cron", tables.workers: "heartbeat"}
    return known.get(statement.table) if statement.table is not tables.jobs or statement.is_insert else None
