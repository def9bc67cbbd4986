"""A transaction on a connection of SQLite's."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from sqlalchemy import Connection

from ..commits import Publish
from ..transaction import OpenTransaction


class SQLiteTransaction(OpenTransaction):
    """A full disk ends a transaction of SQLite's without a word, so the driver is asked before every statement."""

    def __init__(
        self,
        connection: Connection,
        release: Callable[[], None],
        *,
        read_only: bool,
        publish: Publish | None = None,
    ) -> None:
        super().__init__(connection, read_only=read_only, publish=publish)
        self._release = release

    def wait_for_begin(self) -> None:
        return  # it has begun

    def in_transaction(self) -> bool:
        return bool(self.driver.in_transaction)

    def is_fine(self) -> bool:
        try:
            return bool(self.driver.in_transaction)
        except sqlite3.ProgrammingError:  # a handler has closed it
            return False

    def has_failed(self) -> bool:
        return False  # SQLite goes on after a failed statement; we do not

    def cut(self) -> None:
        self.driver.interrupt()
        self.driver.rollback()
        self.driver.execute("PRAGMA query_only = ON")  # whatever the handler still does on it changes nothing

    def is_reusable(self) -> bool:
        return not self.driver.in_transaction and self.internal_error is None

    def release(self) -> None:
        self._release()
