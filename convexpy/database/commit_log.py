"""The commit log, ``_convexpy_commits``: a row inserted by a transaction exists if and only if its other writes do.

A logged transaction inserts its row in the message that carries its COMMIT. If the connection breaks in COMMIT,
``CommitLookup`` inserts a row of the same id over another connection. If there was one, the transaction was committed.
If there was none, the lookup's row is a fence: should the late COMMIT still arrive, its insert fails on the duplicate
id and its transaction is rolled back.

Fences, and the marks of the serializable limit, are empty commits: rows with only an id.
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
_inserted_by: Final[Any] = literal_column(f"{commits.name}.xmin::text")
FENCE: Final = insert(commits).values(id=bindparam("id")).on_conflict_do_nothing().returning(_inserted_by)
FIND: Final = select(_inserted_by).select_from(commits).where(commits.c.id == bindparam("id"))


def new_commit_id(now: datetime) -> str:
    """A random id after a prefix of the time: the primary key finds the oldest commits."""
    return f"{time_prefix(now)}{secrets.token_hex(10)}"


def time_prefix(when: datetime) -> str:
    return f"{unix_milliseconds(when):012x}"


def insert_statement(
    commit_id: str,
    *,
    session: str | None = None,
    request: int | None = None,
    tables: str | None = None,
    keys: str | None = None,
) -> str:
    """The INSERT that travels in COMMIT's message. It has no parameters, so its values are quoted here.

    Args:
        commit_id: The commit's id, from ``new_commit_id``.
        session: The client's session that the commit answers.
        request: The number of the client's request within its session.
        tables: The tables that were written, as JSON.
        keys: The keys of the rows that were written, as JSON.
    """
    if session is None and request is None and tables is None and keys is None:
        return f"INSERT INTO {commits.name} (id) VALUES ('{commit_id}')"
    number = "NULL" if request is None else str(int(request))
    values = f"'{commit_id}', {literal(session)}, {number}, {literal(tables)}, {literal(keys)}"
    return f"INSERT INTO {commits.name} (id, session, request, tables, keys) VALUES ({values})"


def literal(value: str | None) -> str:
    """A text as a literal of PostgreSQL, in ASCII: it means the same in every encoding and under every setting."""
    if value is None:
        return "NULL"
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
