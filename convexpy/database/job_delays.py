"""How late jobs are: the oldest that is due now, and of each of the last minutes the first that succeeded."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import bindparam, select
from sqlalchemy.engine import Connection

from .job_statements import NEXT_DUE
from .statement import Statement
from .tables import finished, jobs
from .types import Timestamp

MINUTE: Final = timedelta(minutes=1)

_first: Final = (
    select(finished.c.job_id)
    .where(
        finished.c.state_kind == "success",
        finished.c.completed_time >= bindparam("since", type_=Timestamp),
        finished.c.completed_time < bindparam("until", type_=Timestamp),
    )
    .order_by(finished.c.completed_time, finished.c.job_id)
    .limit(1)
    .scalar_subquery()
)
FIRST_SUCCESS: Final = Statement(
    select(jobs.c.scheduled_time, jobs.c.started_time, jobs.c.completed_time, jobs.c.attempts).where(
        jobs.c.id == _first
    )
)


def oldest_due(connection: Connection) -> datetime | None:
    """When the first job that no worker holds is due, or was. None: nothing waits."""
    dues = [due for due in NEXT_DUE.execute(connection).rows[0] if due is not None]
    return min(dues, default=None)


def delays_of(connection: Connection, minutes: Iterable[datetime]) -> list[float | None]:
    """How many seconds after its time the first job of each minute began. None: there was none, or it was retried."""
    return [delay_of(connection, minute) for minute in minutes]


def delay_of(connection: Connection, minute: datetime) -> float | None:
    rows = FIRST_SUCCESS.execute(connection, {"since": minute, "until": minute + MINUTE}).rows
    if not rows or rows[0].attempts > 1:
        return None
    began: datetime = rows[0].started_time or rows[0].completed_time
    delay: timedelta = began - rows[0].scheduled_time
    return max(0.0, delay.total_seconds())
