"""A claim: what a worker holds of a job while it may try to run it, and the job's position in the queue."""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from .types import EPOCH, JobId


class QueuePosition(NamedTuple):
    """Where a job waits in the queue of its kind."""

    due_time: datetime
    position: int


START: Final = QueuePosition(EPOCH, 0)


class ClaimKey(NamedTuple):
    """A job, and the token that it is held under: that of a claim, as in ``Claim``, or of the run of an action."""

    job_id: JobId
    token: str


class Claim(NamedTuple):
    """A job that one worker may now try to run, for as long as it holds the token."""

    job_id: JobId
    token: str
    name: str
    kind: str
    args: str
    attempt: int
    scheduled_time: datetime
    cron: str | None
    position: int
    due_time: datetime

    @property
    def queue_position(self) -> QueuePosition:
        return QueuePosition(self.due_time, self.position)
