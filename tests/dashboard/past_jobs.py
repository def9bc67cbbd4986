"""Jobs of the past and of the future, written as the framework would have left them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import Connection, insert

from convexpy.database.tables import attempts, finished, jobs, queue

ROWS_AT_ONCE = 1_000


@dataclass(frozen=True)
class LostAttempt:
    """An attempt that was rolled back."""

    started: datetime
    seconds: float
    outcome: str
    error: str | None = None
    lost_to: str | None = None
    lost_on: str | None = None


@dataclass(frozen=True)
class PastJob:
    """A job as it is remembered. ``started`` and ``completed`` are None as long as it waits."""

    id: str
    name: str
    kind: str
    args: dict[str, Any]
    scheduled: datetime
    state: str
    started: datetime | None = None
    completed: datetime | None = None
    error: str | None = None
    trace: str | None = None
    cron: str | None = None
    parent: str | None = None
    request: str | None = None
    origin: str | None = None
    last_error: str | None = None
    next_try: datetime | None = None
    lost: tuple[LostAttempt, ...] = field(default=())

    @property
    def attempts(self) -> int:
        """How often it was tried."""
        return len(self.lost) + (self.state in ("success", "failed"))

    @property
    def seconds(self) -> float:
        """How long its last attempt took."""
        return (self.completed - self.started).total_seconds() if self.completed and self.started else 0.0

    def row(self) -> dict[str, Any]:
        """Its row of the table of jobs."""
        return {
            "id": self.id,
            "name": self.name,
            "kind": self.kind,
            "args": json.dumps(self.args),
            "scheduled_time": self.scheduled,
            "state_kind": self.state,
            "state_error": self.error,
            "completed_time": self.completed,
            "cron": self.cron,
            "parent": self.parent,
            "attempts": self.attempts,
            "last_error": self.last_error,
            "next_try": self.next_try,
            # Only an action says when it began: a mutation is never seen while it runs.
            "started_time": self.started if self.kind == "action" else None,
            "state_trace": self.trace,
            "request": self.request,
            "origin": self.origin,
        }


def write_jobs(connection: Connection, past: Iterable[PastJob]) -> None:
    """Store jobs: their rows, what waits in the queue, and the list of those that are finished."""
    position = time.time_ns()
    for some in portions(past):
        connection.execute(insert(jobs), [job.row() for job in some])
        waiting = [queue_row(job, position + n) for n, job in enumerate(some) if job.state == "pending"]
        if waiting:
            connection.execute(insert(queue), waiting)
        if ended := [finished_row(job) for job in some if job.completed is not None]:
            connection.execute(insert(finished), ended)
        if lost := [row for job in some for row in attempt_rows(job)]:
            connection.execute(insert(attempts), lost)
        position += len(some)


def portions(past: Iterable[PastJob]) -> Iterator[list[PastJob]]:
    left = iter(past)
    while some := list(islice(left, ROWS_AT_ONCE)):
        yield some


def queue_row(job: PastJob, position: int) -> dict[str, Any]:
    due = job.next_try or job.scheduled
    return {"job_id": job.id, "kind": job.kind, "due_time": due, "position": position}


def finished_row(job: PastJob) -> dict[str, Any]:
    return {"state_kind": job.state, "completed_time": job.completed, "job_id": job.id}


def attempt_rows(job: PastJob) -> Iterator[dict[str, Any]]:
    for number, attempt in enumerate(job.lost, 1):
        yield {
            "job_id": job.id,
            "attempt": number,
            "started_time": attempt.started,
            "seconds": attempt.seconds,
            "outcome": attempt.outcome,
            "error": attempt.error,
            "lost_to": attempt.lost_to,
            "lost_on": attempt.lost_on,
        }


def seconds(number: float) -> timedelta:
    """So many seconds."""
    return timedelta(seconds=number)
