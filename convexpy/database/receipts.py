"""Find out whether a transaction was committed whose connection broke in COMMIT. Never guess.

A logged transaction inserts a receipt in the message that carries its COMMIT. Whoever needs to know inserts the same
receipt over another connection: if there was one, it was committed. If there was none, the row that is there now is a
fence: should the late message still arrive, its insert fails and its transaction with it.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, bindparam, literal_column, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from ..clock import unix_milliseconds
from .postgres_errors import is_conflict
from .tables import commits

KEPT: Final = timedelta(hours=1)
# A row tells which transaction has written it.
_writer: Final[Any] = literal_column(f"{commits.name}.xmin::text")
FENCE: Final = insert(commits).values(id=bindparam("id")).on_conflict_do_nothing().returning(_writer)
FOUND: Final = select(_writer).select_from(commits).where(commits.c.id == bindparam("id"))


def new_receipt(now: datetime) -> str:
    """An id that begins with the time, so that the oldest are found without an index of their own."""
    return f"{prefix(now)}{secrets.token_hex(10)}"


def prefix(when: datetime) -> str:
    return f"{unix_milliseconds(when):012x}"


def statement(receipt: str) -> str:
    """The statement that leaves the receipt; it goes along with COMMIT."""
    return f"INSERT INTO {commits.name} (id) VALUES ('{receipt}')"


class Question:
    """Whether a transaction was committed: to be asked until there is an answer."""

    def __init__(self, receipt: str) -> None:
        self._receipt = receipt
        # The answer to a fence's own COMMIT may be lost as well: what is found next is the fence, and no receipt.
        self._fences: set[str] = set()

    def is_committed(self, connection: Connection) -> bool | None:
        """None: it is still under way, ask again. The connection's transaction is to be committed after False."""
        try:
            fence = connection.execute(FENCE, {"id": self._receipt}).scalar()
        except DBAPIError as error:
            driver: Any = error.orig
            if is_conflict(driver):
                return None
            raise
        if fence is not None:
            self._fences.add(fence)
            return False
        return connection.execute(FOUND, {"id": self._receipt}).scalar_one() not in self._fences
