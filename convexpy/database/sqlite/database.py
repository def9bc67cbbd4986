"""``SQLiteDatabase``: a file in WAL mode, one connection that writes and a pool of connections that only read."""

from __future__ import annotations

import ctypes
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final
from weakref import WeakSet

from sqlalchemy import URL, Connection, Engine, NullPool, QueuePool, create_engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ...clock import Clock
from ...errors import DatabaseError
from ...fork import after_fork, before_fork, in_child
from ...settings import Settings
from ..commits import CommitFeed, Publish
from ..errors import LockTimeout, is_conflict
from ..footprints import Footprints
from ..hidden_values import hide_values
from ..read_set import ReadSet
from ..tables import commits, metadata_table
from ..timer import Timer
from ..transaction import OpenTransaction, Sync, begin, guard
from ..types import JobId, new_job_id
from .authorizer import authorizer_on
from .database_file import DatabaseFile
from .footprints import SQLiteFootprints
from .fork_gate import ForkGate
from .live_reader import SQLiteLiveReader
from .log_watch import UNLOGGED, LogWatch
from .notifier import FileNotifier
from .write_lock import WriteLock

WRITER_BUSY_MILLISECONDS: Final = 5
BEGIN_WRITING: Final = "BEGIN IMMEDIATE"
BEGIN_READING: Final = "BEGIN"
LOG_COMMIT: Final = f"INSERT INTO {commits.name} (function, writes) VALUES (?, ?)"
# Tells a commit without a row in the log from one of another program.
COUNT_COMMIT: Final = f"UPDATE {metadata_table.name} SET value = value + 1 WHERE key = '{UNLOGGED}'"


class SQLiteTransaction(OpenTransaction):
    """SQLite may end a transaction by itself (a full disk), so the driver is asked before every statement."""

    def __init__(
        self,
        connection: Connection,
        release: Callable[[OpenTransaction], None],
        *,
        read_only: bool,
        publish: Publish | None = None,
    ) -> None:
        super().__init__(connection, read_only=read_only, publish=publish)
        self._release = release
        self._changes_before = self.driver.total_changes
        self.is_logged = True
        self.is_internal = False
        """It is the framework's own, and what it does not say that it wrote concerns nobody."""

    def new_footprints(self, reads: ReadSet | None) -> Footprints:
        return SQLiteFootprints(authorizer_on(self.connection), self.changes.writes, reads)

    def wait_for_begin(self) -> None:
        return  # BEGIN is synchronous

    def in_transaction(self) -> bool:
        return bool(self.driver.in_transaction)

    def is_fine(self) -> bool:
        try:
            return bool(self.driver.in_transaction)
        except sqlite3.ProgrammingError:  # closed by a handler
            return False

    def has_failed(self) -> bool:
        return False  # SQLite accepts statements after a failed one; OpenTransaction does not

    def inherit(self) -> None:
        super().inherit()
        # Neither closed nor rolled back, as a collection of garbage would: both write to what the parent is using.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self.connection))
        self.driver.set_authorizer(lambda *_: sqlite3.SQLITE_DENY)

    def _discard(self) -> None:
        if not self.is_inherited:
            super()._discard()

    def send_commit(self) -> None:
        if self.is_logged:
            self._log()
        super().send_commit()

    def _log(self) -> None:
        """Insert the row of the commit log."""
        changes = self.changes
        if not changes.writes and self.driver.total_changes != self._changes_before:
            if self.is_internal:
                self._count()
            else:  # by statements that were sent past SQLAlchemy
                changes.writes.add_everything()
        if changes.writes:
            self.driver.execute(LOG_COMMIT, (changes.function, changes.writes.to_json()))

    def _count(self) -> None:
        try:
            self.driver.execute(COUNT_COMMIT)
        except sqlite3.OperationalError as error:
            if "no such table" not in str(error):  # the framework's tables are not there: nobody reads their log
                raise

    def cut(self) -> None:
        self.driver.interrupt()
        self.driver.rollback()
        self.driver.execute("PRAGMA query_only = ON")  # the handler may still use the connection

    def is_reusable(self) -> bool:
        return not self.driver.in_transaction and self.internal_error is None

    def release(self) -> None:
        self._release(self)


class SQLiteDatabase:
    """Writing transactions begin with BEGIN IMMEDIATE under one write lock, so each is serializable."""

    writers = 1
    is_server = False

    def __init__(self, url: URL, settings: Settings) -> None:
        if url.database in (None, "", ":memory:") or "mode=memory" in str(url):
            raise DatabaseError(
                "an in-memory SQLite database lives in one connection only, and convexpy uses several. "
                "Name a file; tests get a throw-away one from convexpy.testing.ConvexTest"
            )
        self.path = Path(str(url.database)).absolute()
        self.url = url.set(database=str(self.path))
        self.clock = Clock()
        self.timer = Timer()
        self.notifier = FileNotifier(self.path)
        self.commits = CommitFeed(self.notifier)
        self._synchronous = settings.sqlite_synchronous
        self._debug = settings.debug
        self._lock_seconds = settings.lock_timeout.total_seconds()
        self._write_lock = WriteLock(self.path)
        self._write_engine = self._create_engine(NullPool, read_only=False)
        self._read_engine = self._create_engine(QueuePool, read_only=True, pool_size=8, max_overflow=56)
        self._live_engines: WeakSet[Engine] = WeakSet()  # those of the live readers that are in use
        self._writer: Connection | None = None
        self._file = DatabaseFile(self.path)
        self._fork_gate = ForkGate()
        before_fork.add(self._close_idle)
        after_fork.add(self._fork_gate.open)
        in_child.add(self._begin_in_child)
        use = self._fork_gate.enter()
        try:
            self._file.check_locks()
            self._prepare_file()
            self._file.opened()
        finally:
            self._fork_gate.leave(use)

    def new_job_id(self) -> JobId:
        return new_job_id(by_time=True)  # random ids would each change another page of the file

    @contextmanager
    def write(self, *, sync: Sync = "as set", logged: bool = False) -> Iterator[OpenTransaction]:
        with self._write(sync) as transaction:
            yield transaction

    @contextmanager
    def _write(self, sync: Sync) -> Iterator[SQLiteTransaction]:
        self._file.check_locks()
        if not self._write_lock.acquire(self._lock_seconds):
            raise LockTimeout(f"other transactions held the write lock for {self._lock_seconds:g} s")
        use = self._fork_gate.enter()
        try:
            try:
                use.transaction = transaction = self._begin_writing(sync)
            except BaseException:
                self._write_lock.release()
                raise
            try:
                yield transaction
            finally:
                transaction.close()
        finally:
            self._fork_gate.leave(use)

    def _begin_writing(self, sync: Sync) -> SQLiteTransaction:
        self._file.check()  # first: to connect would make a new file
        if self._writer is not None:
            self._file.check_companions(self._writer.info)
        connection = self._writer or self._write_engine.connect()
        self._writer = None  # in use: it is kept again if the transaction leaves it usable
        try:
            self._set_synchronous(connection, sync)
            begin(connection, BEGIN_WRITING)
            self._file.note_companions(connection.info)
        except BaseException:
            connection.invalidate()
            connection.close()
            raise

        return SQLiteTransaction(connection, self._release_writer, read_only=False, publish=self.commits.publish)

    def _release_writer(self, transaction: OpenTransaction) -> None:
        if not (transaction.expired or transaction.broken):
            self._writer = transaction.connection
        self._write_lock.release()

    def _set_synchronous(self, connection: Connection, sync: Sync) -> None:
        """Only what may be redone after a power cut does not wait for the disk."""
        wanted = {"as set": self._synchronous, "always": "FULL", "later": "NORMAL"}[sync]
        if connection.info.get("synchronous") != wanted:
            connection.connection.driver_connection.execute(f"PRAGMA synchronous = {wanted}")  # type: ignore[union-attr]
            connection.info["synchronous"] = wanted

    @contextmanager
    def read(self) -> Iterator[OpenTransaction]:
        with self._read_on(self._read_engine) as transaction:
            yield transaction

    @contextmanager
    def _read_on(self, engine: Engine) -> Iterator[OpenTransaction]:
        use = self._fork_gate.enter()
        try:
            self._file.check()
            connection = engine.connect()
            try:
                begin(connection, BEGIN_READING)
                use.transaction = transaction = SQLiteTransaction(connection, lambda _: None, read_only=True)
            except BaseException:
                connection.close()
                raise
            try:
                yield transaction
            finally:
                transaction.close()
                if not transaction.is_inherited:
                    connection.close()
        finally:
            self._fork_gate.leave(use)

    @contextmanager
    def write_internal(
        self, *, sync: Sync = "later", logged: bool = False, generic_plan: bool = False
    ) -> Iterator[Connection]:
        with self._write(sync) as transaction:
            transaction.is_internal = True
            yield transaction.connection
            transaction.commit()

    @contextmanager
    def read_internal(self, *, generic_plan: bool = False) -> Iterator[Connection]:
        with self.read() as transaction:
            yield transaction.connection

    @contextmanager
    def ddl(self) -> Iterator[Connection]:
        with self._write("as set") as transaction:
            transaction.is_logged = False  # the log may not be there
            yield transaction.connection
            transaction.commit()

    @contextmanager
    def read_only(self, transaction: OpenTransaction) -> Iterator[None]:
        transaction.check()  # after the end of its call, the connection may be in another transaction
        was_read_only = transaction.read_only
        transaction.read_only = True
        transaction.driver.execute("PRAGMA query_only = ON")
        try:
            yield
        finally:
            transaction.read_only = was_read_only
            if not was_read_only and not transaction.expired:
                transaction.driver.execute("PRAGMA query_only = OFF")

    def live_reader(self) -> SQLiteLiveReader:
        reading, looking = (
            self._create_engine(QueuePool, read_only=True, pool_size=1, max_overflow=0) for _ in range(2)
        )
        self._live_engines.update((reading, looking))
        watch = LogWatch(self.path, partial(self._driver_for_a_look, looking))
        return SQLiteLiveReader(reading, self._read_on, self.commits, watch)

    @contextmanager
    def _driver_for_a_look(self, engine: Engine) -> Iterator[Any]:
        use = self._fork_gate.enter()
        try:
            self._file.check()
            with engine.connect() as connection:
                yield connection.connection.driver_connection
        finally:
            self._fork_gate.leave(use)

    def close(self) -> None:
        self.notifier.close()
        self.timer.stop()
        self._close_connections()
        self._write_engine.dispose()
        self._write_lock.close()

    def _close_connections(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        for engine in (self._read_engine, *self._live_engines):
            engine.dispose()

    def _close_idle(self) -> None:
        """Before a fork: with all connections closed, SQLite knows of no locks that a child would believe to hold."""
        if self._fork_gate.close():
            self._close_connections()

    def _begin_in_child(self) -> None:
        left = self._fork_gate.inherited()
        if not left:
            return
        self._file.inherit_locks()
        for use in left:
            if use.thread == threading.get_ident() and use.transaction is not None:
                use.transaction.inherit()

    def _create_engine(self, pool: Any, *, read_only: bool, **options: Any) -> Engine:
        milliseconds = round(self._lock_seconds * 1000) if read_only else WRITER_BUSY_MILLISECONDS
        arguments = {"check_same_thread": False}
        engine = create_engine(
            self.url, poolclass=pool, connect_args=arguments, hide_parameters=not self._debug, **options
        )
        if not self._debug:
            hide_values(engine)

        @event.listens_for(engine, "connect")
        def prepare(driver: sqlite3.Connection, record: object) -> None:
            driver.isolation_level = None  # the driver begins no transactions by itself
            for pragma in (
                f"busy_timeout = {milliseconds}",
                "foreign_keys = ON",
                "trusted_schema = OFF",
                f"synchronous = {self._synchronous}",
                "fullfsync = ON",  # macOS: flush the disk's cache too
                "journal_size_limit = 67108864",
                f"cache_size = {-2_000 if read_only else -64_000}",  # KiB, allocated as needed
                f"wal_autocheckpoint = {0 if read_only else 1000}",  # only the holder of the write lock checkpoints
                f"query_only = {'ON' if read_only else 'OFF'}",
            ):
                driver.execute(f"PRAGMA {pragma}")

        guard(engine, self._begin, sqlite3.Connection.commit)
        return engine

    def _begin(self, driver: Any, statement: str) -> None:
        """Begin, or retry while another program holds the file: SQLite's busy handler sleeps too long between tries."""
        deadline = time.monotonic() + self._lock_seconds
        while True:
            try:
                driver.execute(statement)
            except sqlite3.OperationalError as error:
                if not is_conflict(error) or time.monotonic() >= deadline:
                    raise
            else:
                return

    def _prepare_file(self) -> None:
        """Open the file once, so that its errors are raised at the start and not during a call."""
        if not self.path.parent.is_dir():
            raise DatabaseError(f"{self.path}: the folder {self.path.parent} does not exist. Create it first")
        try:
            with self._write_engine.connect() as connection:
                driver: Any = connection.connection.driver_connection
                driver.execute(f"PRAGMA busy_timeout = {round(self._lock_seconds * 1000)}")
                mode = driver.execute("PRAGMA journal_mode = WAL").fetchone()[0]
                if mode != "wal":
                    raise DatabaseError(f"{self.path}: SQLite cannot use WAL mode here. Is it a network drive?")
                driver.execute("BEGIN IMMEDIATE")
                driver.execute("PRAGMA user_version = 1")  # BEGIN IMMEDIATE succeeds on a read-only file
                driver.execute("ROLLBACK")
        except (sqlite3.Error, DBAPIError) as error:
            raise DatabaseError(f"{self.path}: {explain(error)}") from error
        except (OSError, SQLAlchemyError) as error:
            raise DatabaseError(f"{self.path}: {error}") from error


def explain(error: Exception) -> str:
    """SQLite's message about a file, and what to do about it."""
    text = str(error.orig if isinstance(error, DBAPIError) else error)
    if "not a database" in text:
        return f"{text}. Name another file, or move this one away"
    if "readonly" in text or "unable to open" in text:
        return f"{text}. The file and its folder must be writable for this user"
    if "locked" in text:
        return f"{text}. Another program holds the file. Close it, or wait"
    return text
