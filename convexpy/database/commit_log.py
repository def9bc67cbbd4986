"""The commit log, ``_convexpy_commits``: a row inserted by a transaction exists if and only if its other writes do.

Every transaction that wrote something inserts a row that says what, just before its COMMIT; on PostgreSQL in the same
message. Live queries find by it what is new in a snapshot (``live_reader.py``).

A row with an id is a receipt as well. If the connection breaks in COMMIT, ``CommitLookup`` inserts a row of the same
id over another connection. If there was one, the transaction was committed. If there was none, the lookup's row is a
fence: should the late COMMIT still arrive, its insert fails on the duplicate id and its transaction is rolled back.

Fences, and the marks of the serializable limit, are empty commits: their rows say that nothing was written.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, bindparam, inspect, literal_column, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from ..clock import unix_milliseconds
from .postgres_errors import is_conflict
from .tables import commits
from .write_set import WriteSet

KEPT: Final = timedelta(hours=1)
_inserted_by: Final[Any] = literal_column(f"{commits.name}.xmin::text")
NOTHING: Final = "{}"
"""What the row of an empty commit says of its writes."""
FENCE: Final = (
    insert(commits).values(id=bindparam("id"), writes=NOTHING).on_conflict_do_nothing().returning(_inserted_by)
)
FIND: Final = select(_inserted_by).select_from(commits).where(commits.c.id == bindparam("id"))


class CommitRecord(NamedTuple):
    """What the log says of a commit."""

    writes: WriteSet
    function: str | None
    """The function whose call it was, the first one of a batch. None: the framework's own transaction."""


def new_commit_id(now: datetime) -> str:
    """A random id after a prefix of the time: the primary key finds the oldest commits."""
    return f"{time_prefix(now)}{secrets.token_hex(10)}"


def time_prefix(when: datetime) -> str:
    return f"{unix_milliseconds(when):012x}"


def insert_statement(
    writes: WriteSet,
    *,
    commit_id: str | None = None,
    function: str | None = None,
) -> str:
    """The INSERT that travels in COMMIT's message. It has no parameters, so its values are quoted here.

    Args:
        writes: What was written.
        commit_id: The id of a receipt, from ``new_commit_id``.
        function: The function whose call it was.
    """
    columns, values = "writes", literal(writes.to_json())
    for name, value in (("id", commit_id), ("function", function)):
        if value is not None:
            columns, values = f"{columns}, {name}", f"{values}, {literal(value)}"
    return f"INSERT INTO {commits.name} ({columns}) VALUES ({values})"


def log_schema_change(connection: Connection) -> None:
    """Tables were changed, and maybe rows as well: to whoever looks, everything may have been written.

    Nothing happens while the log does not exist, or is one of an older version.
    """
    found = inspect(connection)
    if found.has_table(commits.name) and "writes" in {column["name"] for column in found.get_columns(commits.name)}:
        connection.exec_driver_sql(f"INSERT INTO {commits.name} (writes) VALUES (NULL)")


def literal(value: str | None) -> str:
    """A text as a literal of PostgreSQL, in ASCII: it means the same in every encoding and under every setting."""
    if value is None:
        return "NULL"
    if value.isascii() and value.isprintable() and "'" not in value and "\\" not in value:
        return f"'{value}'"
    escaped = "".join(c if " " <= c <= "~" and c not in "'\\" else f"\\U{ord(c):08x}" for c in value)
    return f"E'{escaped}'"


class CommitLookup:
    """Finds out whether a transaction was committed. Asked again until there is an answer."""

    def __init__(self, commit_id: str) -> None:
        self._commit_id = commit_id
        # The transaction ids of our fences: if the answer to a fence's COMMIT is lost, the next try finds that fence.
        self._fences: set[str] = set()

    def is_committed(self, connection: Connection) -> bool | None:
        """None: the transaction is still open, ask again. After False, commit the connection's transaction."""
        try:
            fence = connection.execute(FENCE, {"id": self._commit_id}).scalar()
        except DBAPIError as error:
            driver: Any = error.orig
            if is_conflict(driver):
                return None
            raise
        if fence is not None:
            self._fences.add(fence)
            return False
        return connection.execute(FIND, {"id": self._commit_id}).scalar_one() not in self._fences
