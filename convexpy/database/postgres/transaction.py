"""Transactions on a connection to PostgreSQL, and what is known of one whose connection breaks in COMMIT."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ..commit_log import insert_statement
from ..commits import Publish
from ..errors import ConnectionLost, driver_error, is_internal
from ..footprints import Footprints
from ..postgres_errors import is_disconnect, is_lost
from ..read_set import ReadSet
from ..transaction import OpenTransaction
from .catalog import Catalog
from .connection import IDLE, IN_ERROR, IN_TRANSACTION, UNKNOWN, check_begun, cut_off, execute, receive
from .footprints import PostgresFootprints
from .relation_locks import ROUND


class PostgresTransaction(OpenTransaction):
    """The driver knows the state of the transaction from every answer of the server, so reading it costs nothing."""

    def __init__(
        self,
        connection: Connection,
        *,
        read_only: bool,
        publish: Publish | None = None,
        before_commit: Callable[[PostgresTransaction], None] | None = None,
        catalog: Catalog | None = None,
    ) -> None:
        """``catalog`` is needed to record footprints. Transactions of the framework's own have none."""
        self._catalog = catalog
        self._is_round = False
        super().__init__(connection, read_only=read_only, publish=publish)
        self._before_commit = before_commit
        self._is_beginning = True
        self.is_cut = False
        self.opened = time.monotonic()
        """Before BEGIN was sent, by ``time.monotonic``."""

    def new_footprints(self, reads: ReadSet | None) -> Footprints | None:
        if self._catalog is None:
            return None
        return PostgresFootprints(self, self._catalog, self.changes.writes, reads)

    def begin_round(self, *, is_marked: bool = False) -> None:
        """Before runs whose reads are recorded: let the locks of each be told from those of the runs before it.

        ``is_marked``: the savepoint is there already.
        """
        self.wait_for_begin()
        if not is_marked:
            execute(self.driver, f"SAVEPOINT {ROUND}")
        self._is_round = True

    def let_go_of_locks(self) -> None:
        """Release the locks of everything that was read so far, if nothing needs them."""
        # A setting that the run has made would be lost with them.
        if self._is_round and not self.not_batchable and not self.savepoints.is_any_open:
            execute(self.driver, f"ROLLBACK TO {ROUND}")

    def undo_run(self) -> None:
        if self._is_round and not self.expired and self._status() in (IN_TRANSACTION, IN_ERROR):
            execute(self.driver, f"ROLLBACK TO {ROUND}")
            super().undo_run()

    def wait_for_begin(self) -> None:
        """Receive the answer to BEGIN. The handler's first lines run meanwhile: the snapshot is taken later than that.

        Raises:
            DBAPIError: There is no transaction.
            ConnectionLost: The connection is broken.
        """
        if not self._is_beginning:
            return
        self._is_beginning, self.waits_for_begin = False, True
        import psycopg

        try:
            try:
                receive(self.driver)
                check_begun(self.driver)
            except psycopg.Error as error:
                raise DBAPIError.instance("BEGIN", None, error, psycopg.Error) from error
        except Exception as error:
            self.internal_error = error
            raise
        finally:
            self.waits_for_begin = False

    def in_transaction(self) -> bool:
        return self._status() not in (IDLE, UNKNOWN)

    def is_fine(self) -> bool:
        if self._is_beginning:
            self.wait_for_begin()
        return bool(self.driver.pgconn.transaction_status == IN_TRANSACTION)

    def has_failed(self) -> bool:
        return self._status() == IN_ERROR

    def is_connection_lost(self) -> bool:
        return not self.is_cut and bool(self.driver.broken)

    def cut(self) -> None:
        self.is_cut = True
        cut_off(self.driver)

    def close(self) -> None:
        if self._is_beginning and not self.expired:
            with suppress(Exception):  # it is rolled back, or never began
                self.wait_for_begin()
        super().close()

    def roll_back(self) -> None:
        if self.read_only and self.is_fine():
            # The driver's own rollback() would discard its prepared statements. Nothing was written, so they stay.
            execute(self.driver, "ROLLBACK")
        super().roll_back()

    def release(self) -> None:
        return  # no lock is held: many transactions write at the same time

    def is_reusable(self) -> bool:
        error: Any = driver_error(self.internal_error) if self.internal_error is not None else None
        return not self.is_cut and self._status() == IDLE and (error is None or not is_lost(error))

    def send_commit(self) -> None:
        if self._before_commit is not None:
            self._before_commit(self)
        if not self.changes.writes:
            super().send_commit()
            self.check_committed()
            return
        try:
            self.send_with_commit(self.log_statement())
        except DBAPIError as error:  # past SQLAlchemy, so ``note_error`` does not hear of it
            if self.internal_error is None and is_internal(error):
                self.internal_error = error
            raise

    def log_statement(self, commit_id: str | None = None) -> str:
        """The INSERT into the commit log."""
        return insert_statement(self.changes.writes, commit_id=commit_id, function=self.changes.function)

    def send_with_commit(self, statement: str) -> None:
        """Send a statement and COMMIT in one message."""
        import psycopg

        try:
            execute(self.driver, f"{statement}; COMMIT")
        except psycopg.Error as error:
            raise DBAPIError.instance("COMMIT", None, error, psycopg.Error) from error
        self.check_committed()
        super().send_commit()  # for SQLAlchemy's own state: no COMMIT is sent again

    def check_committed(self) -> None:
        """A COMMIT counts only if the server answered that no transaction is open.

        Raises:
            ConnectionLost: The connection broke meanwhile, and the driver raised nothing.
        """
        if self._status() != IDLE:
            raise ConnectionLost("the connection to the database broke while a transaction was being committed")

    def _status(self) -> int:
        self.wait_for_begin()
        return int(self.driver.pgconn.transaction_status)


class LoggedTransaction(PostgresTransaction):
    """A transaction with a row in the commit log, by which an unknown COMMIT is resolved.

    Args:
        commit_id: The id of the row.
        is_committed: Finds out by the id, after an error, whether the transaction was committed.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        commit_id: str,
        is_committed: Callable[[str, BaseException], bool],
        read_only: bool = False,
        publish: Publish | None = None,
        before_commit: Callable[[PostgresTransaction], None] | None = None,
        catalog: Catalog | None = None,
    ) -> None:
        super().__init__(connection, read_only=read_only, publish=publish, before_commit=before_commit, catalog=catalog)
        self._commit_id = commit_id
        self._is_committed = is_committed

    def send_commit(self) -> None:
        if self._before_commit is not None:
            self._before_commit(self)
        try:
            self.send_with_commit(self.log_statement(self._commit_id))
        except (DBAPIError, ConnectionLost) as error:
            if not is_unknown(error) or not self._is_committed(self._commit_id, error):
                raise
            # It was committed. Only the answer and the connection were lost.
            self.internal_error = error


def is_unknown(error: DBAPIError | ConnectionLost) -> bool:
    """Whether the transaction may be committed in spite of this error of its COMMIT."""
    if isinstance(error, ConnectionLost):
        return True
    driver: Any = error.orig
    state = driver.sqlstate
    return (
        is_disconnect(driver) or state == "40003" or state[:2] == "08" or state in ("57P01", "57P02", "25P03", "25P04")
    )
