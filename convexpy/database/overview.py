"""What the dashboard shows around every page: a few counts, the workers, and the database itself."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, Select, func, select, text

from .live_summaries import read_summaries
from .tables import error_minutes, errors, finished, queue
from .workers import find_live

MOST_COUNTED: Final = 10_000
"""A count goes on for no longer than this."""
LATELY: Final = timedelta(hours=1)
SQLITE_BYTES: Final = text("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
"""Of the file, without its log."""
POSTGRES_BYTES: Final = text("SELECT pg_database_size(current_database())")
POSTGRES_VERSION: Final = text("SHOW server_version")


@dataclass(frozen=True, slots=True)
class Counted:
    """A count, and whether there is more than was counted."""

    count: int
    more: bool


@dataclass(frozen=True, slots=True)
class WorkersHeard:
    """The workers that are alive, and when the latest of them was heard."""

    count: int
    heard_time: datetime | None


@dataclass(frozen=True, slots=True)
class StoredIn:
    """The database: ``SQLite`` or ``PostgreSQL``, its version, and its size in bytes."""

    kind: str
    version: str
    bytes: int


def count_unfinished(connection: Connection) -> Counted:
    """The jobs that are pending or in progress."""
    return _counted(connection, select(queue.c.job_id))


def count_failed(connection: Connection, now: datetime) -> Counted:
    """The jobs that failed within the last hour."""
    lately = (finished.c.state_kind == "failed", finished.c.completed_time >= now - LATELY)
    return _counted(connection, select(finished.c.job_id).where(*lately))


def count_new_errors(connection: Connection, now: datetime) -> Counted:
    """The groups of errors that were seen for the first time within the last hour."""
    seen = select(error_minutes.c.fingerprint).where(error_minutes.c.minute >= now - LATELY - timedelta(minutes=1))
    new = select(errors.c.fingerprint).where(errors.c.fingerprint.in_(seen), errors.c.first_time >= now - LATELY)
    return _counted(connection, new)


def count_live_queries(connection: Connection, now: datetime) -> int:
    """The live queries of all processes."""
    return len(read_summaries(connection, now))


def workers_heard(connection: Connection, now: datetime, timeout: timedelta) -> WorkersHeard:
    """The workers that were heard within the timeout."""
    alive = find_live(connection, now, timeout)
    return WorkersHeard(len(alive), max((worker.heartbeat_time for worker in alive), default=None))


def stored_in(connection: Connection) -> StoredIn:
    """The database of a connection."""
    if connection.dialect.name == "sqlite":
        return StoredIn("SQLite", sqlite3.sqlite_version, connection.execute(SQLITE_BYTES).scalar_one())
    version = str(connection.execute(POSTGRES_VERSION).scalar_one()).partition(" ")[0]
    return StoredIn("PostgreSQL", version, connection.execute(POSTGRES_BYTES).scalar_one())


def _counted(connection: Connection, rows: Select[tuple[str]]) -> Counted:
    limited = rows.limit(MOST_COUNTED + 1).subquery()
    count = connection.execute(select(func.count()).select_from(limited)).scalar_one()
    return Counted(min(count, MOST_COUNTED), count > MOST_COUNTED)
