"""Find out whether a transaction was committed whose connection broke in COMMIT. Never guess.

A fenced transaction inserts a receipt in the message that carries its COMMIT. Whoever needs to know inserts the same
receipt over another connection: a duplicate means that it was committed. If it was not, the row that is there now is
a fence: should the late message still arrive, its insert fails and its transaction with it.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, insert

from ..clock import unix_milliseconds
from .postgres_faults import is_conflict
from .tables import receipts

KEPT: Final = timedelta(hours=1)
DUPLICATE: Final = "23505"


def new_receipt(now: datetime) -> str:
    """An id that begins with the time, so that the oldest are found without an index of their own."""
    return f"{prefix(now)}{secrets.token_hex(10)}"


def prefix(when: datetime) -> str:
    return f"{unix_milliseconds(when):012x}"


def statement(receipt: str) -> str:
    """The statement that leaves the receipt; it goes along with COMMIT."""
    return f"INSERT INTO {receipts.name} (id) VALUES ('{receipt}')"


def is_committed(connection: Connection, receipt: str) -> bool | None:
    """Whether the transaction with this receipt was committed. None: it is still under way, ask again.

    The connection's transaction is to be committed after False, and rolled back after True.
    """
    try:
        connection.execute(insert(receipts).values(id=receipt))
    except Exception as error:
        driver: Any = getattr(error, "orig", None)
        if getattr(driver, "sqlstate", None) == DUPLICATE:
            return True
        if driver is not None and is_conflict(driver):
            return None
        raise
    return False
