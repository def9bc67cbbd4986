"""What the framework needs of a database, and how a URL becomes one."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from sqlalchemy import URL, Connection

from ..clock import Clock
from ..errors import DatabaseError
from ..settings import Settings
from .commits import CommitFeed
from .live_reader import LiveReader
from .timer import Timer
from .transaction import OpenTransaction, Sync
from .types import JobId
from .url import FORMS, read_url


class Database(Protocol):
    """One database, and the transactions on it."""

    url: URL
    writers: int
    """How many transactions may write at the same time."""
    is_server: bool
    """Whether every statement is a round trip."""

    @property
    def clock(self) -> Clock:
        """The time by which jobs are due: one for all processes that share the database."""
        ...

    @property
    def commits(self) -> CommitFeed:
        """The commits of this process, and hints of those of others."""
        ...

    @property
    def timer(self) -> Timer:
        """Calls functions at their deadlines."""
        ...

    def new_job_id(self) -> JobId:
        """An id for a new job, made so that it is found and stored quickly."""
        ...

    def write(self, *, sync: Sync = "as set", logged: bool = False) -> AbstractContextManager[OpenTransaction]:
        """A serializable transaction. Rolled back unless its ``commit()`` is called.

        ``logged``: it leaves a row in the commit log, so that whether it was committed can be found out even if the
        connection breaks in COMMIT. Jobs need none: their claim tells.
        """
        ...

    def read(self) -> AbstractContextManager[OpenTransaction]:
        """One snapshot. Writing through it is an error."""
        ...

    def write_internal(
        self, *, sync: Sync = "later", logged: bool = False, generic_plan: bool = False
    ) -> AbstractContextManager[Connection]:
        """A short transaction of the framework's own, committed at the end of the block.

        ``hot``: what is said in it is said all day long. It is planned once, and finds its rows by an index.
        """
        ...

    def read_internal(self, *, generic_plan: bool = False) -> AbstractContextManager[Connection]:
        """A short snapshot of the framework's own. It waits for no call of a user's function."""
        ...

    def ddl(self) -> AbstractContextManager[Connection]:
        """A transaction that changes tables, committed at the end of the block, without a time limit."""
        ...

    def read_only(self, transaction: OpenTransaction) -> AbstractContextManager[None]:
        """Refuse writes within a transaction that may otherwise write."""
        ...

    def live_reader(self) -> LiveReader:
        """A new reader for live queries, with a connection of its own. Its user closes it."""
        ...

    def close(self) -> None:
        """Close every connection."""
        ...


def connect(url: str | URL, settings: Settings) -> Database:
    """The database behind a URL: ``sqlite:///path`` or ``postgresql://user@host/name``.

    Raises:
        DatabaseError: The URL is not one, or its database cannot be used.
    """
    parsed = read_url(url)
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        from .sqlite.database import SQLiteDatabase

        return SQLiteDatabase(parsed, settings)
    if backend in ("postgresql", "postgres"):
        from .postgres.database import PostgresDatabase

        return PostgresDatabase(parsed, settings)
    raise DatabaseError(f"{backend!r} databases are not supported. {FORMS}")
