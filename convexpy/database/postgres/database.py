"""``PostgresDatabase``: a server, and transactions on connections of bounded pools."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from typing import Any, Final, TypeVar

from sqlalchemy import URL, Connection, Engine, NullPool, QueuePool
from sqlalchemy.exc import DBAPIError

from ...errors import CommitUnknown, DatabaseError
from ...fork import in_child
from ...settings import Settings
from ..commit_log import CommitLookup, new_commit_id
from ..commits import CommitFeed
from ..errors import is_internal
from ..notifier import Notifier, NullNotifier
from ..timer import Timer
from ..transaction import OpenTransaction, Sync, begin
from ..types import JobId, new_job_id
from ..url import shown_url
from .begin import GRACE, INTERNAL_LIMIT, LIVE_LIMIT, BeginStatements
from .catalog import Catalog, Schema
from .clock import ServerClock
from .connection import connected, cut_off_silent, driver_of, execute, make_engine, with_driver
from .live_channel import LiveChannel
from .live_reader import PostgresLiveReader
from .notifier import PostgresNotifier
from .serializable_limit import SerializableLimit
from .transaction import LoggedTransaction, PostgresTransaction

MIN_VERSION: Final = 14
INTERNAL_CONNECTIONS: Final = 3
"""For claims, heartbeats and finishing jobs. A process holds these and one that listens, besides
``settings.database_connections``."""

T = TypeVar("T")
CreateTransaction = Callable[[Connection], PostgresTransaction]


class PostgresDatabase:
    """Mutations are SERIALIZABLE, queries REPEATABLE READ, and the framework's own transactions READ COMMITTED.

    The framework has a pool of its own, so that claims and heartbeats never wait for the user's functions.
    """

    is_server = True

    def __init__(self, url: URL, settings: Settings) -> None:
        self.url = with_driver(url)
        self.clock = ServerClock()
        self.writers = settings.mutation_concurrency
        self._settings = settings
        self._limits = {
            "write": (settings.mutation_time_limit + 5 * GRACE).total_seconds(),
            "read": (settings.query_time_limit + 5 * GRACE).total_seconds(),
            "internal": (INTERNAL_LIMIT + 5 * GRACE).total_seconds(),
            "live": (LIVE_LIMIT + 5 * GRACE).total_seconds(),
        }
        self.timer = Timer()
        self._pool: dict[str, Any] = {
            "pipelines_begin": True,
            "poolclass": QueuePool,
            "max_overflow": 0,
            "pool_timeout": settings.lock_timeout.total_seconds(),
            "pool_use_lifo": True,
        }
        self._engine = make_engine(self.url, settings, pool_size=settings.database_connections, **self._pool)
        self._internal_engine = make_engine(self.url, settings, pool_size=INTERNAL_CONNECTIONS, **self._pool)
        self._begin, self._serializable_limit = self._inspect_server()
        self.notifier: Notifier = NullNotifier()
        if settings.listen_notify:
            self.notifier = PostgresNotifier(self.url, settings, self.timer, self._execute)
        self.commits = CommitFeed(self.notifier)
        self.catalog = Catalog(self._load_schema)
        self._live_channel = LiveChannel(self.url, settings, self.timer, self._query)
        self.commits.listen(self._live_channel.on_commit)
        self._open: set[PostgresTransaction] = set()
        in_child.add(self._begin_in_child)

    def new_job_id(self) -> JobId:
        return new_job_id()  # ids ordered by time would make inserts conflict on one page of the index

    @contextmanager
    def write(self, *, sync: Sync = "as set", logged: bool = False) -> Iterator[OpenTransaction]:
        self.catalog.prepare()
        create = self._creator(logged=logged, before_commit=self._check_limit, catalog=self.catalog)
        with self._transaction(self._engine, self._begin.write(sync), "write", create) as transaction:
            yield transaction

    @contextmanager
    def read(self) -> Iterator[OpenTransaction]:
        create = partial(PostgresTransaction, read_only=True, catalog=self.catalog)
        with self._transaction(self._engine, self._begin.read, "read", create) as transaction:
            yield transaction

    @contextmanager
    def write_internal(
        self, *, sync: Sync = "later", logged: bool = False, generic_plan: bool = False
    ) -> Iterator[Connection]:
        statement = self._begin.write_internal(sync, generic_plan=generic_plan)
        create = self._creator(logged=logged)
        with self._transaction(self._internal_engine, statement, "internal", create) as transaction:
            yield transaction.connection
            transaction.commit()

    @contextmanager
    def read_internal(self, *, generic_plan: bool = False) -> Iterator[Connection]:
        statement = self._begin.read_internal(generic_plan=generic_plan)
        create = partial(PostgresTransaction, read_only=True)
        with self._transaction(self._internal_engine, statement, "internal", create) as transaction:
            yield transaction.connection

    @contextmanager
    def ddl(self) -> Iterator[Connection]:
        engine = make_engine(self.url, self._settings, poolclass=NullPool)
        with connected(engine) as connection:
            begin(connection, self._begin.ddl)
            yield connection
            connection.commit()
        self.catalog.forget()

    @contextmanager
    def read_only(self, transaction: OpenTransaction) -> Iterator[None]:
        transaction.check()  # after the end of its call, the connection may be in another transaction
        was_read_only, transaction.read_only = transaction.read_only, True
        transaction.driver.execute("SAVEPOINT convexpy_query; SET TRANSACTION READ ONLY", prepare=False)
        try:
            yield
        except BaseException:
            if not transaction.expired:
                with suppress(Exception):  # the error of the block says more
                    transaction.driver.execute("ROLLBACK TO convexpy_query; RELEASE convexpy_query", prepare=False)
            raise
        else:
            transaction.driver.execute("RELEASE convexpy_query", prepare=False)
        finally:
            transaction.read_only = was_read_only

    def live_reader(self) -> PostgresLiveReader:
        engine = make_engine(self.url, self._settings, **{**self._pool, "pool_size": 1})
        return PostgresLiveReader(engine, self._open_live_snapshot, self._live_channel)

    def _open_live_snapshot(self, engine: Engine) -> AbstractContextManager[PostgresTransaction]:
        self.catalog.prepare()  # the first query of a round would be charged for it
        create = partial(PostgresTransaction, read_only=True, catalog=self.catalog)
        return self._transaction(engine, self._begin.live, "live", create)

    def close(self) -> None:
        self._live_channel.close()
        self.notifier.close()
        self.timer.stop()
        self._close_engines()

    def _creator(
        self,
        *,
        logged: bool,
        before_commit: Callable[[PostgresTransaction], None] | None = None,
        catalog: Catalog | None = None,
    ) -> CreateTransaction:
        """Creates a transaction that writes."""
        options: dict[str, Any] = {
            "read_only": False,
            "publish": self.commits.publish,
            "before_commit": before_commit,
            "catalog": catalog,
        }
        if not logged:
            return partial(PostgresTransaction, **options)
        commit_id = new_commit_id(self.clock.now())
        return partial(LoggedTransaction, commit_id=commit_id, is_committed=self._is_committed, **options)

    @contextmanager
    def _transaction(
        self, engine: Engine, statement: str, limit: str, create: CreateTransaction
    ) -> Iterator[PostgresTransaction]:
        connection = connected(engine)
        try:
            driver = driver_of(connection)
            with self.timer.limit(self._limits[limit], partial(cut_off_silent, driver)):
                if self.clock.is_stale():
                    self.clock.synchronize(driver)
                opened = time.monotonic()  # not earlier: it may have waited for a connection
                begin(connection, statement)
                transaction = create(connection)
                transaction.opened = opened
                self._open.add(transaction)
                try:
                    yield transaction
                finally:
                    self._open.discard(transaction)
                    transaction.close()
        except BaseException:
            if not connection.closed and is_broken(connection):
                connection.invalidate()
            raise
        finally:
            connection.close()

    def _check_limit(self, transaction: PostgresTransaction) -> None:
        if time.monotonic() - transaction.opened > self._serializable_limit.seconds:
            self._serializable_limit.check(transaction.driver, new_commit_id(self.clock.now()))

    def _inspect_server(self) -> tuple[BeginStatements, SerializableLimit]:
        """Connect once, so that errors of the server are raised at the start and not during a call."""
        shown = shown_url(self.url)
        try:
            connected(self._engine).close()  # SQLAlchemy inspects a server only at an engine's first connection
            with connected(self._internal_engine) as connection:
                driver = driver_of(connection)
                version = driver.info.server_version // 10000
                if version < MIN_VERSION:
                    raise DatabaseError(f"{shown} is PostgreSQL {version}. convexpy needs {MIN_VERSION} or newer")
                waits = driver.execute("SHOW synchronous_commit").fetchone()[0] != "off"
                self.clock.synchronize(driver)
                begin_statements = BeginStatements(self._settings, version, waits_for_disk=waits)
                return begin_statements, SerializableLimit(driver)
        except Exception as error:
            self._close_engines()
            if not (isinstance(error, DBAPIError) or is_internal(error)):
                raise
            cause = error.orig if isinstance(error, DBAPIError) else error
            raise DatabaseError(f"{shown}: {' '.join(str(cause).split())}") from error

    def _load_schema(self) -> Schema:
        create = partial(PostgresTransaction, read_only=True)
        with self._transaction(self._internal_engine, self._begin.catalog, "internal", create) as transaction:
            return Schema(lambda query: transaction.connection.exec_driver_sql(query).all())

    def _begin_in_child(self) -> None:
        """The connections are the parent's. They were replaced already, so that nothing here can write to them."""
        for transaction in self._open:
            transaction.inherit()
        self._open = set()
        self.catalog = Catalog(self._load_schema)  # a thread of the parent may hold the lock of the other
        for engine in (self._engine, self._internal_engine):
            engine.dispose(close=False)

    def _close_engines(self) -> None:
        self._engine.dispose()
        self._internal_engine.dispose()

    def _execute(self, statement: str) -> None:
        self._outside_transaction(lambda driver: execute(driver, statement))

    def _query(self, statement: str) -> list[Any]:
        return self._outside_transaction(lambda driver: driver.execute(statement, prepare=False).fetchall())

    def _outside_transaction(self, work: Callable[[Any], T]) -> T:
        connection = connected(self._internal_engine)
        try:
            driver = driver_of(connection)
            with self.timer.limit(self._limits["internal"], partial(cut_off_silent, driver)):
                return work(driver)
        except BaseException:
            connection.invalidate()
            raise
        finally:
            connection.close()

    def _is_committed(self, commit_id: str, cause: BaseException) -> bool:
        """Whether a transaction whose connection broke in COMMIT was committed.

        Raises:
            CommitUnknown: The database does not answer.
        """
        deadline = time.monotonic() + self._settings.commit_timeout.total_seconds()
        lookup, tries = CommitLookup(commit_id), 0
        statement = self._begin.write_internal("as set")
        while True:
            try:
                with self._transaction(
                    self._internal_engine, statement, "internal", self._creator(logged=False)
                ) as transaction:
                    committed = lookup.is_committed(transaction.connection)
                    if committed is False:
                        transaction.commit()
                    if committed is not None:
                        return committed
            except Exception as error:
                if not is_internal(error):
                    raise
            if time.monotonic() > deadline:
                raise CommitUnknown(
                    "the connection to the database broke while the call was being committed, and the database did "
                    "not answer since whether it was. It has happened as a whole, or not at all"
                ) from cause
            tries += 1
            time.sleep(self._settings.backoff(tries, longest=GRACE).total_seconds())


def is_broken(connection: Connection) -> bool:
    try:
        driver = driver_of(connection)
        return driver is None or driver.broken or driver.closed
    except Exception:
        return True
