"""Read jobs: one by id, or a bounded list by state, name or cron. Every list is an index scan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, select

from .scheduled_function import STATE_KINDS, ScheduledFunction, StateKind
from .tables import finished, jobs, queue
from .types import JobId


def find_job(connection: Connection, job_id: str) -> ScheduledFunction | None:
    """The job with this id, or None."""
    row = connection.execute(select(jobs).where(jobs.c.id == job_id)).one_or_none()
    return None if row is None else detached(row)


def jobs_by_prefix(connection: Connection, prefix: str, limit: int) -> list[ScheduledFunction]:
    """The first jobs whose id begins with these hexadecimal digits."""
    begin_so = select(jobs).where(jobs.c.id >= prefix, jobs.c.id < f"{prefix}g").order_by(jobs.c.id)
    return _rows(connection, begin_so.limit(limit))


def is_canceled(connection: Connection, job_id: JobId) -> bool:
    """Whether this job exists and is canceled."""
    state = connection.execute(select(jobs.c.state_kind).where(jobs.c.id == job_id)).scalar()
    return state == "canceled"


def list_jobs(
    connection: Connection,
    state: StateKind | None = None,
    name: str | None = None,
    cron: str | None = None,
    limit: int = 100,
) -> list[ScheduledFunction]:
    """Jobs that fit. Pending ones come first, soonest first; then running and finished ones, latest first.

    Those of one name or of one cron are the ones that were due latest.
    """
    is_named = name is not None or cron is not None
    found: list[ScheduledFunction] = []
    if state in (None, "pending"):
        pending = _by_name(("pending",), name, cron).order_by(jobs.c.scheduled_time)
        found = _rows(connection, pending.limit(limit)) if is_named else _pending(connection, limit)
    room = limit - len(found)
    others: tuple[StateKind, ...] = tuple(each for each in STATE_KINDS if each != "pending" and state in (None, each))
    if room <= 0 or not others:
        return found
    if is_named:
        latest = _rows(connection, _by_name(others, name, cron).order_by(jobs.c.scheduled_time.desc()).limit(room))
    else:  # the latest of all are among the latest of each state
        latest = [job for each in others for job in _rows(connection, _by_state(each).limit(room))]
    return found + sorted(latest, key=listing_order)[:room]


def listing_order(job: ScheduledFunction) -> tuple[bool, float]:
    """The place of a job in a list: pending ones soonest first, then the others, latest first."""
    if job.state_kind == "pending":
        return False, (job.next_try or job.scheduled_time).timestamp()
    return True, -(job.completed_time or job.started_time or job.scheduled_time).timestamp()


def _pending(connection: Connection, limit: int) -> list[ScheduledFunction]:
    """The soonest pending jobs: one index scan a kind for those that wait, one for the few that are claimed."""
    waiting = select(jobs, queue.c.due_time, queue.c.position).join(queue, queue.c.job_id == jobs.c.id)
    claimed = waiting.where(queue.c.worker.is_not(None), queue.c.run_token.is_(None))
    scans = [
        waiting.where(queue.c.kind == kind, queue.c.worker.is_(None)).order_by(queue.c.due_time, queue.c.position)
        for kind in ("mutation", "action")
    ]
    rows = [row for scan in (*scans, claimed) for row in connection.execute(scan.limit(limit))]
    rows.sort(key=lambda row: (row.due_time, row.position))
    return [detached(row) for row in rows[:limit]]


def _by_state(state: StateKind) -> Select[Any]:
    if state == "inProgress":
        started = select(jobs).join(queue, queue.c.job_id == jobs.c.id).order_by(jobs.c.started_time.desc())
        return started.where(queue.c.worker.is_not(None), queue.c.run_token.is_not(None))
    ended = select(jobs).join(finished, finished.c.job_id == jobs.c.id).where(finished.c.state_kind == state)
    return ended.order_by(finished.c.completed_time.desc())


def _by_name(states: tuple[StateKind, ...], name: str | None, cron: str | None) -> Select[Any]:
    statement = select(jobs).where(jobs.c.state_kind.in_(states))
    if name is not None:
        statement = statement.where(jobs.c.name == name)
    if cron is not None:
        statement = statement.where(jobs.c.cron == cron)
    return statement


def _rows(connection: Connection, statement: Select[Any]) -> list[ScheduledFunction]:
    return [detached(row) for row in connection.execute(statement)]


def detached(row: Any) -> ScheduledFunction:
    """A job as an object that belongs to no session: what is done to it changes nothing."""
    values = row._mapping
    return ScheduledFunction(**{column.key: values[column] for column in jobs.c})


def find_jobs(connection: Connection, job_ids: Sequence[JobId]) -> list[ScheduledFunction]:
    """The jobs with these ids, as far as they exist, in this order."""
    found = {row.id: detached(row) for row in connection.execute(select(jobs).where(jobs.c.id.in_(job_ids)))}
    return [found[job_id] for job_id in job_ids if job_id in found]
