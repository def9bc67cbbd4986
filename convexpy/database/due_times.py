"""Other due times for jobs that wait: now, or a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Final

from sqlalchemy import bindparam, case, null, update
from sqlalchemy.engine import Connection

from .commits import QueuedJob
from .job_rows import one_of, packed
from .jobs import changes_of
from .statement import Statement
from .tables import jobs, queue
from .types import JobId, Timestamp
from .unclaimed import LEFT

# A job that was left to other workers is again as one that none has met.
_last_error: Final = case((jobs.c.last_error == LEFT, null()), else_=jobs.c.last_error)


@cache
def moving(dialect: str) -> Statement:
    """A job that a worker holds stays as it is. A claim that is being made skips what this locks, or comes first."""
    return Statement(
        update(queue)
        .where(one_of(queue.c.job_id, "ids", dialect), queue.c.worker.is_(None))
        .values(due_time=bindparam("due", type_=Timestamp))
        .returning(queue.c.job_id, queue.c.kind)
    )


@cache
def moved(dialect: str) -> Statement:
    return Statement(
        update(jobs)
        .where(one_of(jobs.c.id, "ids", dialect))
        .values(scheduled_time=bindparam("time", type_=Timestamp), next_try=None, last_error=_last_error)
    )


def make_due(connection: Connection, ids: Sequence[JobId], time: datetime, now: datetime) -> list[JobId]:
    """Let jobs that wait be due at a time; one in the past means now. Those that were moved.

    A job that a worker holds, that has begun or is over is not moved.
    """
    dialect, due = connection.dialect.name, max(time, now)
    rows = moving(dialect).execute(connection, {"ids": packed(ids, dialect), "due": due}).rows
    found = [JobId(row.job_id) for row in rows]
    if found:
        moved(dialect).execute(connection, {"ids": packed(found, dialect), "time": time})
        changes = changes_of(connection)
        changes.scheduled += [QueuedJob(row.job_id, row.kind, due) for row in rows]
        changes.change_jobs(found)
    return found
