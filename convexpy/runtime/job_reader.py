"""``ctx.system``: the jobs table as the call sees it, its own uncommitted schedules and cancels included."""

from __future__ import annotations

import json
from datetime import datetime

from sqlalchemy import Connection

from ..database.job_queries import find_job, list_jobs, listing_order
from ..database.jobs import NewJob
from ..database.read_set import Pin, ReadSet
from ..database.scheduled_function import STATE_KINDS, ScheduledFunction, StateKind
from ..database.tables import jobs
from ..database.types import JobId
from ..errors import InvalidArguments, TransactionEnded
from .schedule import ScheduleBuffer


class JobReader:
    """Reads ``_scheduled_functions`` within a query or a mutation."""

    def __init__(
        self, connection: Connection, buffer: ScheduleBuffer | None, now: datetime, reads: ReadSet | None = None
    ) -> None:
        """``reads``: of a live query, what it has read."""
        self._connection = connection
        self._reads = reads
        self._buffer = buffer
        self._now = now
        self._is_over = False

    def close(self) -> None:
        """The call is over; its connection is another one's now."""
        self._is_over = True

    def get(self, job_id: JobId | str, /) -> ScheduledFunction | None:
        """The job with this id, or None: it never existed, or it was purged after its retention."""
        self._check_open()
        for job in self._buffer.new_jobs() if self._buffer else ():
            if job.id == job_id:
                return self._buffered(job)
        self._note({("id", str(job_id))})
        found = find_job(self._connection, job_id)
        if found and self._buffer and job_id in self._buffer.canceling():
            self._cancel(found)
        return found

    def scheduled_functions(
        self, *, state: StateKind | None = None, name: str | None = None, cron: str | None = None, limit: int = 100
    ) -> list[ScheduledFunction]:
        """Up to ``limit`` jobs: pending ones soonest first, then running and finished ones, latest first.

        Raises:
            InvalidArguments: There is no such state, or the limit is not between 1 and 10,000.
        """
        self._check_open()
        if state is not None and state not in STATE_KINDS:
            raise InvalidArguments(f"there is no job state {state!r}. Use one of {', '.join(STATE_KINDS)}")
        if not 1 <= limit <= 10_000:
            raise InvalidArguments(f"a limit is between 1 and 10,000, not {limit}")
        self._note(None)
        if self._buffer is None or self._buffer.is_empty:
            return list_jobs(self._connection, state, name, cron, limit)
        own = [self._buffered(job) for job in self._buffer.new_jobs()]
        canceled = [job for job_id in self._buffer.canceling() if (job := self.get(job_id))]
        changed = {job.id for job in (*own, *canceled)}
        stored = list_jobs(self._connection, state, name, cron, limit + len(canceled))
        fitting = [
            job
            for job in (*own, *canceled, *(job for job in stored if job.id not in changed))
            if state in (None, job.state_kind) and name in (None, job.name) and cron in (None, job.cron)
        ]
        return sorted(fitting, key=listing_order)[:limit]

    def _check_open(self) -> None:
        if self._is_over:
            raise TransactionEnded("ctx.system was used after its call had ended")

    def _note(self, pins: set[Pin] | None) -> None:
        """A live query depends on these jobs; None: on all."""
        if self._reads is not None:
            self._reads.add(jobs.name, pins)

    def _buffered(self, job: NewJob) -> ScheduledFunction:
        return ScheduledFunction(
            id=job.id,
            name=job.name,
            kind=job.kind,
            args=json.loads(job.args),
            scheduled_time=job.scheduled_time,
            completed_time=self._now if job.canceled else None,
            state_kind="canceled" if job.canceled else "pending",
            cron=job.cron,
            parent=job.parent,
            attempts=0,
        )

    def _cancel(self, job: ScheduledFunction) -> None:
        if job.completed_time is None:
            job.state_kind, job.completed_time = "canceled", self._now
