"""Forget what is old: jobs that ended long ago, the longest ago first, and receipts that nobody asks for any more."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, any_, bindparam, delete, func, literal_column, select, tuple_

from .receipts import KEPT, prefix
from .statement import Statement
from .tables import commits, finished, jobs
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

# In a file, two statements: what is old is the same for both of them.
PURGE_JOBS: Final = Statement(delete(jobs).where(jobs.c.id.in_(_OLD.with_only_columns(finished.c.job_id))))
PURGE_ENDS: Final = Statement(delete(finished).where(tuple_(*finished.primary_key).in_(_OLD)))

# On a server one, which sends no job to this process and back. Rows are found by their place, and those that another
# worker is just forgetting are passed by.
_place: Final[Any] = literal_column(f"{finished.name}.ctid")
_old: Final = (
    _OLD.with_only_columns(_place.label("place"), finished.c.job_id).with_for_update(skip_locked=True).cte("old")
)
_ended: Final = (
    delete(finished)
    .where(_place == any_(func.array(select(_old.c.place).scalar_subquery())))
    .returning(finished.c.completed_time)
    .cte("ended")
)
_forgotten: Final = (
    delete(jobs)
    .where(jobs.c.id == any_(func.array(select(_old.c.job_id).scalar_subquery())))
    .returning(jobs.c.id)
    .cte("forgotten")
)
PURGE: Final = Statement(
    select(func.count().label("gone"), func.max(_ended.c.completed_time).label("reached")).add_cte(_forgotten)
)

_old_receipts: Final = (
    select(commits.c.id)
    .where(commits.c.id < bindparam("before"))
    .order_by(commits.c.id)
    .limit(bindparam("limit"))
    .scalar_subquery()
)
PURGE_RECEIPTS: Final = Statement(delete(commits).where(commits.c.id.in_(_old_receipts)))


def purge_jobs(connection: Connection, end: str, after: datetime, before: datetime, limit: int) -> tuple[int, datetime]:
    """Forget up to ``limit`` jobs that ended in this way between two times. How many it was, and up to when.

    Whoever goes on from there does not walk over what is gone: as long as anybody's transaction is open that was
    there before, a server keeps it.
    """
    values = {"end": end, "after": after, "before": before, "limit": limit}
    if connection.dialect.name == "postgresql":
        row = PURGE.on(connection, values).rows[0]
        return row.gone, row.reached or after
    PURGE_JOBS.on(connection, values)
    return PURGE_ENDS.on(connection, values).rowcount, after


def purge_receipts(connection: Connection, now: datetime, limit: int) -> int:
    """Forget up to ``limit`` receipts that nobody asks for any more. How many it was."""
    return PURGE_RECEIPTS.on(connection, {"before": prefix(now - KEPT), "limit": limit}).rowcount
