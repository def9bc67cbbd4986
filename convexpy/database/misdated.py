"""Jobs that wait for a time which only a clock that was ahead can have computed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, bindparam, or_, select, update

from .commits import QueuedJob
from .job_statements import KINDS
from .jobs import changes_of
from .tables import jobs, queue

# A clock that is set back by less delays jobs by that, and no more.
TOLERANCE: Final = timedelta(minutes=1)
# So many jobs are corrected at a time.
MOST: Final = 1000

_unclaimed: Final = queue.c.worker.is_(None)


def find(connection: Connection, now: datetime, longest: timedelta) -> list[Any]:
    """Jobs that wait for later than their schedule says, or for later than a retry is ever postponed.

    What a function scheduled by a clock that was ahead is not among them: it may have meant that time.
    """
    columns = (queue.c.job_id, jobs.c.kind, jobs.c.scheduled_time)
    first_try = jobs.c.next_try.is_(None) & (queue.c.due_time > jobs.c.scheduled_time)
    retry = jobs.c.next_try.is_not(None) & (queue.c.due_time > now + longest + TOLERANCE)
    waiting = select(*columns).join(jobs, jobs.c.id == queue.c.job_id)
    waiting = waiting.where(_unclaimed, queue.c.kind.in_(KINDS), queue.c.due_time > now + TOLERANCE)
    return list(connection.execute(waiting.where(or_(first_try, retry)).limit(MOST)))


def correct(connection: Connection, found: Sequence[Any], now: datetime) -> None:
    """Make them due when they are scheduled, or now if that is past."""
    due = [{"of_job": job.job_id, "due": max(job.scheduled_time, now)} for job in found]
    of_job: Any = bindparam("of_job")
    connection.execute(update(queue).where(queue.c.job_id == of_job, _unclaimed).values(due_time=bindparam("due")), due)
    retried = jobs.c.next_try.is_not(None)
    connection.execute(update(jobs).where(jobs.c.id == of_job, retried).values(next_try=bindparam("due")), due)
    changes = changes_of(connection)
    changes.scheduled += [QueuedJob(job.job_id, job.kind, each["due"]) for job, each in zip(found, due, strict=True)]
    changes.change_jobs([job.job_id for job in found])
