"""A transaction on a connection to PostgreSQL, and what is known of it when the connection breaks in COMMIT."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ..errors import ConnectionLost, driver_error
from ..postgres_errors import is_lost
from ..transaction import OpenTransaction
from .connection import IDLE, IN_ERROR, IN_TRANSACTION, UNKNOWN, check_begun, cut_off, execute, receive


class PostgresTransaction(OpenTransaction):
    """The driver knows the state of the transaction from every answer of the server's, so asking costs nothing."""

    def __init__(
        self,
        connection: Connection,
        *,
        read_only: bool,
        before_commit: Callable[[PostgresTransaction], None] | None = None,
    ) -> None:
        super().__init__(connection, read_only=read_only)
        self._before_commit = before_commit
        self._is_beginning = True
        self.is_cut = False

    def wait_for_begin(self) -> None:
        """Hear the answer to BEGIN. The handler's first lines run meanwhile: its snapshot is not taken before that.

        Raises:
            DBAPIError: There is no transaction.
            ConnectionLost: The connection is gone.
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
            with suppress(Exception):  # it is rolled back, or was never begun
                self.wait_for_begin()
        super().close()

    def roll_back(self) -> None:
        if self.read_only and self.is_fine():
            # Nothing was changed. Asked to do this, the driver would forget every statement that it has prepared.
            execute(self.driver, "ROLLBACK")
        super().roll_back()

    def release(self) -> None:
        return  # many write at the same time

    def is_reusable(self) -> bool:
        error: Any = driver_error(self.internal_error) if self.internal_error is not None else None
        return not self.is_cut and self._status() == IDLE and (error is None or not is_lost(error))

    def send_commit(self) -> None:
        if self._before_commit is not None:
            self._before_commit(self)
        super().send_commit()
        self.check_committed()

    def send_with_commit(self, statement: str) -> None:
        """A statement and COMMIT in one go."""
        import psycopg

        try:
            execute(self.driver, f"{statement}; COMMIT")
        except psycopg.Error as error:
            raise DBAPIError.instance("COMMIT", None, error, psycopg.Error) from error
        self.check_committed()
        super().send_commit()  # SQLAlchemy is told; the driver has nothing left to send

    def check_committed(self) -> None:
        """Take a COMMIT for carried out only if the server said that no transaction is open any more.

        Raises:
            ConnectionLost: The connection broke in between, and the driver did not make an error of that.
        """
        if self._status() != IDLE:
            raise ConnectionLost("the connection to the database broke while a transaction was being committed")

    def _status(self) -> int:
        self.wait_for_begin()
        return int(self.driver.pgconn.transaction_status)
