"""One call's share of a transaction: its session, its schedules, and the steps of its commit.

Settling a call and committing a transaction are two things: settling sends everything to the database, the commit
makes it true. So several calls can settle one after the other before one commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

from ..clock import Clock
from ..database.database import Database
from ..database.jobs import Claimant
from ..database.transaction import OpenTransaction
from ..errors import TransactionEnded
from ..functions.load import App
from .job_reader import System
from .schedule import ScheduleBuffer
from .session import TransactionSession


class JobLost(Exception):
    """The job that a transaction wanted to finish is no longer this worker's: somebody else ran or canceled it."""


class Transaction:
    """What one query or mutation reads, writes and schedules, from its first line to its settling."""

    def __init__(
        self,
        database: Database,
        app: App,
        held: OpenTransaction,
        clock: Clock,
        now: datetime,
        buffer: ScheduleBuffer | None,
    ) -> None:
        self._database = database
        self._clock = clock
        self.app = app
        self.held = held
        self.now = now
        self.buffer = buffer
        self._db: TransactionSession | None = None
        self._system: System | None = None
        self._is_over = False
        held.runs_handler = True

    @property
    def db(self) -> TransactionSession:
        """The session, made when it is first asked for: many a mutation only schedules."""
        if self._db is None:
            self._db = TransactionSession(self.held.connection, self.buffer)
            self._db.is_read_only = self.held.read_only
            if self._is_over:
                self._db.end()
        return self._db

    @property
    def system(self) -> System:
        """The jobs as this transaction sees them."""
        if self._system is None:
            self._system = System(self.held.connection, self.buffer, self.now)
            if self._is_over:
                self._system.close()
        return self._system

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
        with self._database.read_only(self.held):
            self.db.is_read_only = True
            try:
                yield
                self.db.settle(around)
            except BaseException:
                with suppress(Exception):  # the error that is under way says more
                    self.db.undo(around)
                raise
            finally:
                self.db.is_read_only = False

    def settle(self, finish_job: Callable[[], bool] | None = None, claimant: Claimant | None = None) -> None:
        """Send the call's writes, its schedules and the end of its own job to the database, in this order.

        Raises:
            JobLost: The job was not this worker's any more; nothing of the call may be committed.
        """
        if self._db is not None:
            self._db.settle()
        self.held.runs_handler = False
        self.held.check_shortly()
        if self.held.internal_error is not None:
            raise TransactionEnded("a database error was caught by the handler") from self.held.internal_error
        if self.buffer is not None and not self.buffer.is_empty:
            self.buffer.write(self.held.connection, self._clock.now(), claimant)
        if finish_job is not None and not finish_job():
            raise JobLost

    def close(self) -> None:
        """The call is over: what it held can no longer be used."""
        self._is_over = True
        if self._db is not None:
            self._db.end()
        if self._system is not None:
            self._system.close()
        if self.buffer is not None:
            self.buffer.close()
