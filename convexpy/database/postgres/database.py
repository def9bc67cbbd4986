"""``PostgresDatabase``: the transactions on a server, each on a connection of a bounded pool."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, NullPool, QueuePool
from sqlalchemy.exc import DBAPIError

from ...errors import CommitUnknown, DatabaseError
from ...settings import Settings
from .. import receipts
from ..errors import ConnectionLost, is_internal
from ..notifier import Notifier, NullNotifier
from ..postgres_errors import is_gone
from ..timer import Watchdog
from ..transaction import OpenTransaction, Sync, begin
from ..types import JobId, new_job_id
from .begin import INTERNAL_LIMIT, LATER, Begin
from .clock import ServerClock
from .connection import connected, cut_off, driver_of, execute, make_engine, with_driver
from .notifier import PostgresNotifier
from .serializable_limit import Window
from .transaction import PostgresTransaction

OLDEST: Final = 14
OWN_CONNECTIONS: Final = 3
"""For claims, heartbeats and the ends of jobs. With the one that listens, a process holds this many and one more
besides ``settings.database_connections``."""


class PostgresDatabase:
    """Mutations are SERIALIZABLE, queries see one snapshot, and the framework's own work is READ COMMITTED.

    The framework has connections of its own, so that claims and heartbeats never wait for the user's functions.
    """

    is_server = True

    def __init__(self, url: URL, settings: Settings) -> None:
        self.url = with_driver(url)
        self.clock = ServerClock()
        self.writers = settings.mutation_concurrency
        self._settings = settings
        self._limits = {
            "write": (settings.mutation_time_limit + 5 * LATER).total_seconds(),
            "read": (settings.query_time_limit + 5 * LATER).total_seconds(),
            "own": (INTERNAL_LIMIT + 5 * LATER).total_seconds(),
        }
        self._watchdog = Watchdog()
        patience = settings.lock_timeout.total_seconds()
        pool: dict[str, Any] = {
            "begins_ahead": True,
            "poolclass": QueuePool,
            "max_overflow": 0,
            "pool_timeout": patience,
            "pool_use_lifo": True,
        }
        self._calls = make_engine(self.url, settings, pool_size=settings.database_connections, **pool)
        self._own = make_engine(self.url, settings, pool_size=OWN_CONNECTIONS, **pool)
        self._begin, self._window = self._greet()
        listens = settings.listen_notify
        self.notifier: Notifier = (
            PostgresNotifier(self.url, settings, self._watchdog, self._notify) if listens else NullNotifier()
        )

    def new_job_id(self) -> JobId:
        return new_job_id()  # by the time, transactions that insert would meet on the same page of an index

    @contextmanager
    def write(self, *, sync: Sync = "as set", logged: bool = False) -> Iterator[OpenTransaction]:
        opened = time.monotonic()

        def check_window(transaction: PostgresTransaction) -> None:
            if time.monotonic() - opened > self._window.seconds:
                self._window.check(transaction.driver, receipts.new_receipt(self.clock.now()))

        kind = LoggedTransaction if logged else PostgresTransaction
        held_by = partial(kind, read_only=False, before_commit=check_window)
        with self._transaction(self._calls, self._begin.write(sync), "write", held_by) as transaction:
            if isinstance(transaction, LoggedTransaction):
                transaction.fence(receipts.new_receipt(self.clock.now()), self._resolve)
            yield transaction

    @contextmanager
    def read(self) -> Iterator[OpenTransaction]:
        with self._transaction(
            self._calls, self._begin.read, "read", partial(PostgresTransaction, read_only=True)
        ) as transaction:
            yield transaction

    @contextmanager
    def write_internal(
        self, *, sync: Sync = "later", logged: bool = False, generic_plan: bool = False
    ) -> Iterator[Connection]:
        held_by = partial(LoggedTransaction if logged else PostgresTransaction, read_only=False)
        with self._transaction(
            self._own, self._begin.internal(sync, generic_plan=generic_plan), "own", held_by
        ) as transaction:
            if isinstance(transaction, LoggedTransaction):
                transaction.fence(receipts.new_receipt(self.clock.now()), self._resolve)
            yield transaction.connection
            transaction.commit()

    @contextmanager
    def read_internal(self, *, generic_plan: bool = False) -> Iterator[Connection]:
        held_by = partial(PostgresTransaction, read_only=True)
        with self._transaction(
            self._own, self._begin.read_internal(generic_plan=generic_plan), "own", held_by
        ) as transaction:
            yield transaction.connection

    @contextmanager
    def ddl(self) -> Iterator[Connection]:
        engine = make_engine(self.url, self._settings, poolclass=NullPool)
        with connected(engine) as connection:
            begin(connection, self._begin.alter)
            yield connection
            connection.commit()

    @contextmanager
    def read_only(self, transaction: OpenTransaction) -> Iterator[None]:
        transaction.check()  # the context of a call that is over may hold a connection that is somebody else's by now
        was_read_only, transaction.read_only = transaction.read_only, True
        transaction.driver.execute("SAVEPOINT convexpy_query; SET TRANSACTION READ ONLY", prepare=False)
        try:
            yield
        except BaseException:
            if not transaction.expired:
                with suppress(Exception):  # the error that is under way says more
                    transaction.driver.execute("ROLLBACK TO convexpy_query; RELEASE convexpy_query", prepare=False)
            raise
        else:
            transaction.driver.execute("RELEASE convexpy_query", prepare=False)
        finally:
            transaction.read_only = was_read_only

    def close(self) -> None:
        self.notifier.close()
        self._watchdog.stop()
        self._close_engines()

    @contextmanager
    def _transaction(self, engine: Engine, statement: str, kind: str, held_by: Any) -> Iterator[Any]:
        connection = connected(engine)
        try:
            driver = driver_of(connection)
            with self._watchdog.limit(self._limits[kind], partial(cut_off, driver)):
                if self.clock.is_stale():
                    self.clock.look(driver)
                begin(connection, statement)
                transaction: PostgresTransaction = held_by(connection)
                try:
                    yield transaction
                finally:
                    transaction.close()
        except BaseException:
            if not connection.closed and is_broken(connection):
                connection.invalidate()
            raise
        finally:
            connection.close()

    def _greet(self) -> tuple[Begin, Window]:
        """Connect once, so that what is wrong is said now and not in the middle of something."""
        shown = self.url.set(drivername="postgresql").render_as_string(hide_password=True)
        try:
            connected(self._calls).close()  # SQLAlchemy asks the server what it wants to know only once
            with connected(self._own) as connection:
                driver = driver_of(connection)
                version = driver.info.server_version // 10000
                if version < OLDEST:
                    raise DatabaseError(f"{shown} is PostgreSQL {version}. convexpy needs {OLDEST} or newer")
                waits = driver.execute("SHOW synchronous_commit").fetchone()[0] != "off"
                self.clock.look(driver)
                return Begin(self._settings, version, waits_for_disk=waits), Window(driver)
        except Exception as error:
            self._close_engines()
            if not (isinstance(error, DBAPIError) or is_internal(error)):
                raise
            why = error.orig if isinstance(error, DBAPIError) else error
            raise DatabaseError(f"{shown}: {' '.join(str(why).split())}") from error

    def _close_engines(self) -> None:
        self._calls.dispose()
        self._own.dispose()

    def _notify(self, statement: str) -> None:
        connection = connected(self._own)
        try:
            driver = driver_of(connection)
            with self._watchdog.limit(self._limits["own"], partial(cut_off, driver)):
                execute(driver, statement)
        except BaseException:
            connection.invalidate()
            raise
        finally:
            connection.close()

    def _resolve(self, receipt: str, cause: BaseException) -> bool:
        """Whether a transaction whose connection broke in COMMIT was committed.

        Raises:
            CommitUnknown: The database does not answer.
        """
        deadline = time.monotonic() + self._settings.commit_timeout.total_seconds()
        question, tries = receipts.Question(receipt), 0
        while True:
            try:
                with self._transaction(
                    self._own, self._begin.internal("as set"), "own", partial(PostgresTransaction, read_only=False)
                ) as transaction:
                    committed = question.is_committed(transaction.connection)
                    if committed is False:
                        transaction.commit()
                    if committed is not None:
                        return committed
            except Exception as error:
                if not is_internal(error):
                    raise
            if time.monotonic() > deadline:
                raise CommitUnknown(
                    "the connection to the database broke while the call was being committed, and the database could "
                    "not be asked since whether it was. It has happened as a whole, or not at all"
                ) from cause
            tries += 1
            time.sleep(self._settings.backoff(tries, longest=LATER).total_seconds())


class LoggedTransaction(PostgresTransaction):
    """A transaction that leaves a receipt, so that an unknown COMMIT becomes a known one."""

    def fence(self, receipt: str, resolve: Any) -> None:
        self._receipt = receipt
        self._resolve = resolve

    def send_commit(self) -> None:
        if self._before_commit is not None:
            self._before_commit(self)
        try:
            self.send_with_commit(receipts.statement(self._receipt))
        except (DBAPIError, ConnectionLost) as error:
            if not is_unknown(error) or not self._resolve(self._receipt, error):
                raise
            # It was committed; only the answer was lost, and the connection with it.
            self.internal_error = error


def is_unknown(error: DBAPIError | ConnectionLost) -> bool:
    """Whether an error of COMMIT leaves open if the server has carried it out."""
    if isinstance(error, ConnectionLost):
        return True
    driver: Any = error.orig
    state = driver.sqlstate
    return is_gone(driver) or state == "40003" or state[:2] == "08" or state in ("57P01", "57P02", "25P03", "25P04")


def is_broken(connection: Connection) -> bool:
    try:
        driver = driver_of(connection)
        return driver is None or driver.broken or driver.closed
    except Exception:
        return True
