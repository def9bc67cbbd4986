"""The requests of clients that were answered, ``_convexpy_requests``: each mutation once, however often it is sent.

A row is inserted before the handler of a mutation runs, in the same transaction, and gets the result at its end. Of two
transactions for one request the second waits for the first at that INSERT. On PostgreSQL it then fails as a conflict,
and its next attempt finds the row.

No SELECT comes first. In a SERIALIZABLE transaction it would lock the page of the index where the row is not, into
which every other request inserts. For the same reason the UPDATE finds its row by ``ctid``, which needs no index.

These are not columns of the commit log: its rows live for minutes, are pruned by position, and may be left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, String, any_, bindparam, cast, delete, func, literal_column, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import UserDefinedType

from ..errors import ConvexError
from .jobs import changes_of
from .statement import Statement
from .tables import requests
from .types import Timestamp

KEPT: Final = timedelta(hours=24)
"""For how long a request is known."""
MOST_RESULT_BYTES: Final = 64 * 1024
"""A longer result is not kept."""
LONGEST_SESSION: Final = 200
MOST_NUMBER: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class RequestKey:
    """What a client calls a request: its session, and the number of the request within it.

    Raises:
        ConvexError: BAD_REQUEST: the session is empty, has more than 200 characters or one that no database stores, or
            the number is negative or has more than 63 bits.
    """

    session: str
    number: int

    def __post_init__(self) -> None:
        if not 0 < len(self.session) <= LONGEST_SESSION or not self.session.isprintable():
            raise ConvexError("BAD_REQUEST", f"the key of a request has 1 to {LONGEST_SESSION} printable characters")
        if not 0 <= self.number <= MOST_NUMBER:
            raise ConvexError("BAD_REQUEST", "the number of a request is not negative and has at most 63 bits")


class NewRequest(NamedTuple):
    """The row of a request that this transaction answers."""

    row: Any


class AnsweredRequest(NamedTuple):
    """A request that was answered before."""

    digest: str
    """What it asked for, and on whose behalf."""
    result: bytes | None
    """None: it was too long to be kept."""


class RowAddress(UserDefinedType[str]):
    """``tid``: where PostgreSQL stores a row."""

    cache_ok = True

    def get_col_spec(self, **options: Any) -> str:
        return "tid"


_key: Final = (requests.c.session == bindparam("of_session")) & (requests.c.request == bindparam("of_request"))
_new: Final = {
    column.name: bindparam(column.name, type_=column.type) for column in requests.c if column.name != "result"
}
_rowid: Final[Any] = literal_column(f"{requests.name}.rowid")
_ctid: Final[Any] = literal_column(f"{requests.name}.ctid")
_result: Final = {"result": bindparam("result", type_=requests.c.result.type)}
_old: Final = (
    select(requests.c.session)
    .where(requests.c.time < bindparam("before", type_=Timestamp))
    .order_by(requests.c.time)
    .limit(bindparam("limit"))
)

FIND: Final = Statement(select(requests.c.digest, requests.c.result).where(_key))
INSERT_ON_SQLITE: Final = Statement(
    sqlite.insert(requests).values(_new).on_conflict_do_nothing().returning(_rowid.label("row"))
)
INSERT_ON_POSTGRES: Final = Statement(
    postgresql.insert(requests).values(_new).on_conflict_do_nothing().returning(_ctid.label("row"))
)
KEEP_ON_SQLITE: Final = Statement(update(requests).where(_rowid == bindparam("of_row")).values(_result))
KEEP_ON_POSTGRES: Final = Statement(
    update(requests).where(_ctid == cast(bindparam("of_row", type_=String), RowAddress)).values(_result)
)
PURGE_ON_SQLITE: Final = Statement(delete(requests).where(_rowid.in_(_old.with_only_columns(_rowid))))
PURGE_ON_POSTGRES: Final = Statement(
    delete(requests).where(
        _ctid == any_(func.array(_old.with_only_columns(_ctid).with_for_update(skip_locked=True).scalar_subquery()))
    )
)


def begin_request(connection: Connection, key: RequestKey, digest: str, now: datetime) -> NewRequest | AnsweredRequest:
    """Insert the row of a request, unless it was answered before. The caller commits it with the mutation's writes.

    Args:
        connection: With the transaction of the mutation.
        key: The request.
        digest: What it asks for, and on whose behalf.
        now: The time, from which on it is kept.

    Raises:
        DBAPIError: PostgreSQL: another transaction has just answered it. It is found in a new transaction.
    """
    insert = INSERT_ON_POSTGRES if connection.dialect.name == "postgresql" else INSERT_ON_SQLITE
    values = {"session": key.session, "request": key.number, "digest": digest, "time": now}
    inserted = insert.execute(connection, values).rows
    if inserted:
        changes_of(connection).writes.add(requests.name)
        return NewRequest(inserted[0].row)
    (found,) = FIND.execute(connection, {"of_session": key.session, "of_request": key.number}).rows
    return AnsweredRequest(found.digest, found.result)


def keep_result(connection: Connection, request: NewRequest, result: bytes) -> None:
    """Keep the result of a request for those who ask again, unless it is too long."""
    if len(result) <= MOST_RESULT_BYTES:
        keep = KEEP_ON_POSTGRES if connection.dialect.name == "postgresql" else KEEP_ON_SQLITE
        keep.execute(connection, {"of_row": request.row, "result": result})


def purge_requests(connection: Connection, now: datetime, limit: int) -> int:
    """Delete up to ``limit`` requests that are kept no longer, the oldest first. How many."""
    purge = PURGE_ON_POSTGRES if connection.dialect.name == "postgresql" else PURGE_ON_SQLITE
    return purge.execute(connection, {"before": now - KEPT, "limit": limit}).rowcount
