"""Purging: finished jobs past their retention, oldest first."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, any_, bindparam, delete, func, literal_column, select, tuple_

from .jobs import changes_of
from .statement import Statement
from .tables import finished, jobs
from .types import Timestamp

ENDS: Final = ("success", "failed", "canceled")

_OLD: Final = (
    select(finished)
    .where(
        finished.c.state_kind == bindparam("end"),
        finished.c.completed_time >= bindparam("after", type_=Timestamp),
        finished.c.completed_time < bindparam("before", type_=Timestamp),
    )
    .order_by(finished.c.completed_time, finished.c.job_id)
    .limit(bindparam("limit"))
)

# SQLite: two statements. One writer at a time, so both find the same rows.
PURGE_JOBS: Final = Statement(delete(jobs).where(jobs.c.id.in_(_OLD.with_only_columns(finished.c.job_id))))
PURGE_ENDS: Final = Statement(delete(finished).where(tuple_(*finished.primary_key).in_(_OLD)))

# PostgreSQL: one statement, so that no job ids travel to this process and back. Rows are found by ctid, and skipped if
# another worker is purging them.
_ctid: Final[Any] = literal_column(f"{finished.name}.ctid")
_old: Final = (
    _OLD.with_only_columns(_ctid.label("ctid"), finished.c.job_id).with_for_update(skip_locked=True).cte("old")
)
_ended: Final = (
    delete(finished)
    .where(_ctid == any_(func.array(select(_old.c.ctid).scalar_subquery())))
    .returning(finished.c.completed_time)
    .cte("ended")
)
_purged: Final = (
    delete(jobs)
    .where(jobs.c.id == any_(func.array(select(_old.c.job_id).scalar_subquery())))
    .returning(jobs.c.id)
    .cte("purged")
)
PURGE: Final = Statement(
    select(func.count().label("gone"), func.max(_ended.c.completed_time).label("reached")).add_cte(_purged)
)


def purge_jobs(connection: Connection, end: str, after: datetime, before: datetime, limit: int) -> tuple[int, datetime]:
    """Delete up to ``limit`` jobs that ended in this way between two times. How many, and the time of the last one.

    The next batch starts at that time: while an older transaction is open, a server keeps deleted rows, and a search
    from the beginning would scan all of them.
    """
    values = {"end": end, "after": after, "before": before, "limit": limit}
    if connection.dialect.name == "postgresql":
        row = PURGE.execute(connection, values).rows[0]
        gone, reached = row.gone, row.reached or after
    else:
        PURGE_JOBS.execute(connection, values)
        gone, reached = PURGE_ENDS.execute(connection, values).rowcount, after
    if gone:
        changes_of(connection).writes.add(jobs.name)
    return gone, reached
