"""Recover the jobs of workers that are dead: what was started fails, the rest is tried again."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import Connection, select

from ..settings import Settings
from .claim import ClaimKey
from .jobs import finish, release
from .tables import jobs, queue
from .types import JobId

LOST_ACTION: Final = (
    "the process that ran this action died before it finished. It may have run in part; actions are never run again"
)
LOST_CLAIM: Final = "the process that had claimed this job died before it was done"


def jobs_of_worker(connection: Connection, worker: str) -> set[JobId]:
    """The jobs that a worker has claimed or started."""
    return set(connection.execute(select(queue.c.job_id).where(queue.c.worker == worker)).scalars())


def rescue(
    connection: Connection, worker: str, now: datetime, settings: Settings, only: set[JobId] | None = None
) -> tuple[int, int]:
    """Recover what a worker holds and will never end: started actions fail, the rest is tried again. How many of each.

    Args:
        only: These of its jobs. None: all of them, as it is dead.
    """
    lost = freed = 0
    transaction = select(queue, jobs.c.attempts).join(jobs, jobs.c.id == queue.c.job_id).where(queue.c.worker == worker)
    if only is not None:
        transaction = transaction.where(queue.c.job_id.in_(only))
    # An action that is starting at this moment, or a job that is ending, is waited for and seen as what it is then.
    for row in connection.execute(transaction.with_for_update(of=queue)).all():
        if row.run_token is not None:
            lost += finish(connection, [ClaimKey(row.job_id, row.run_token)], LOST_ACTION, now)
            continue
        # A job that kills its process comes back later and later, and other jobs run in between.
        due = now + settings.backoff(row.attempts + 1)
        freed += release(connection, ClaimKey(row.job_id, row.claim_token), LOST_CLAIM, due)
    return lost, freed
