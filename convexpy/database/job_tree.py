"""The tree of a job: what began it, what it scheduled, and the jobs that repeat another one by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Final, Literal

from sqlalchemy import bindparam, select
from sqlalchemy.engine import Connection

from .attempts import Attempt, attempts_of
from .job_rows import COLUMNS, JobRow, one_of, packed
from .jobs import RETRY
from .statement import Statement
from .tables import jobs, queue, workers
from .types import JobId

MOST_JOBS: Final = 500
MOST_LEVELS: Final = 200


Link = Literal["first", "scheduled", "retried"]


@dataclass(slots=True)
class TreeJob:
    """A job of the tree."""

    row: JobRow
    link: Link
    """``scheduled`` by the job above it, ``retried`` in its place, or the ``first`` of its branch."""
    above: JobId | None
    depth: int = 0
    attempts: list[Attempt] = field(default_factory=list)
    """Those that were rolled back."""


@dataclass(frozen=True, slots=True)
class JobTree:
    """The jobs, each before those under it, and among its siblings in the order in which they were due."""

    jobs: Sequence[TreeJob]
    is_cut: bool
    """There are more jobs."""


_found: Final = select(*COLUMNS).order_by(jobs.c.scheduled_time, jobs.c.id).limit(bindparam("limit"))


@cache
def under(dialect: str) -> Statement:
    """What these jobs have scheduled."""
    return Statement(_found.where(jobs.c.parent.is_not(None), one_of(jobs.c.parent, "ids", dialect)), row=JobRow)


@cache
def repeats(dialect: str) -> Statement:
    """The jobs that repeat others by hand, which are given as ``RETRY`` and an id."""
    return Statement(_found.where(jobs.c.request.is_not(None), one_of(jobs.c.request, "ids", dialect)), row=JobRow)


OF_REQUEST: Final = Statement(_found.where(jobs.c.request == bindparam("request")), row=JobRow)
HOLDER: Final = Statement(
    select(workers.c.host, workers.c.pid).where(
        workers.c.id == select(queue.c.worker).where(queue.c.job_id == bindparam("of_job")).scalar_subquery()
    )
)
ONE: Final = Statement(select(*COLUMNS).where(jobs.c.id == bindparam("of_job")), row=JobRow)


def retried(row: JobRow) -> JobId | None:
    """The job that this one repeats by hand."""
    is_retry = row.request is not None and row.request.startswith(RETRY)
    return JobId(row.request[len(RETRY) :]) if is_retry and row.request else None


def find_row(connection: Connection, job_id: JobId) -> JobRow | None:
    rows = ONE.execute(connection, {"of_job": job_id}).rows
    return rows[0] if rows else None


def children_of(connection: Connection, job_id: JobId) -> list[JobRow]:
    """The jobs that the run of a job has scheduled, up to a number."""
    return rows_of(connection, under, [job_id], MOST_JOBS)


def retries_of(connection: Connection, job_id: JobId) -> list[JobRow]:
    """The jobs that repeat a job by hand, up to a number, the oldest first."""
    return rows_of(connection, repeats, [RETRY + job_id], MOST_JOBS)


def holder_of(connection: Connection, job_id: JobId) -> str | None:
    """The machine and the process id of the worker that holds a job."""
    rows = HOLDER.execute(connection, {"of_job": job_id}).rows
    return f"{rows[0].host.partition(' ')[0]}, process {rows[0].pid}" if rows else None


def tree_of(connection: Connection, job_id: JobId, most: int = MOST_JOBS) -> JobTree | None:
    """The tree that a job is in, or None: there is no such job. The way from the first job to this one is in it."""
    way = way_up(connection, job_id)
    if not way:
        return None
    top = way[0]
    found = {row.id: TreeJob(row, link_of(row), above_of(row)) for row in way}
    found[top.id].above, found[top.id].link = None, "first"
    is_cut = False
    if top.request is not None and retried(top) is None:
        rows = list(OF_REQUEST.execute(connection, {"request": top.request, "limit": most + 1}).rows)
        is_cut = adopt(found, rows, most, is_first=True)
    level = list(found)
    for _ in range(MOST_LEVELS):
        if not level or is_cut:
            break
        known = set(found)
        rows = rows_of(connection, under, level, most + 1)
        rows += rows_of(connection, repeats, [RETRY + each for each in level], most + 1)
        is_cut = adopt(found, rows, most)
        level = [each for each in found if each not in known]
    for attempt in attempts_of(connection, list(found)):
        found[attempt.job_id].attempts.append(attempt)
    return JobTree(ordered(found), is_cut)


def way_up(connection: Connection, job_id: JobId) -> list[JobRow]:
    """The jobs from the first one down to this one, as far as they are still known."""
    way: list[JobRow] = []
    following: JobId | None = job_id
    while following is not None and len(way) < MOST_LEVELS:
        row = find_row(connection, following)
        if row is None or row in way:
            break
        way.insert(0, row)
        following = above_of(row)
    return way


def above_of(row: JobRow) -> JobId | None:
    return row.parent or retried(row)


def link_of(row: JobRow) -> Link:
    return "scheduled" if row.parent else "retried" if retried(row) else "first"


def rows_of(
    connection: Connection, statement: Callable[[str], Statement], values: Sequence[str], limit: int
) -> list[JobRow]:
    dialect = connection.dialect.name
    return list(statement(dialect).execute(connection, {"ids": packed(values, dialect), "limit": limit}).rows)


def adopt(found: dict[JobId, TreeJob], rows: Iterable[JobRow], most: int, *, is_first: bool = False) -> bool:
    """Add rows to the tree. Whether there are more than may be in it."""
    for row in rows:
        if row.id in found or (is_first and row.parent is not None):
            continue
        if len(found) >= most:
            return True
        found[row.id] = TreeJob(row, "first" if is_first else link_of(row), None if is_first else above_of(row))
    return False


def ordered(found: dict[JobId, TreeJob]) -> list[TreeJob]:
    """Each job before those under it."""
    below: dict[JobId | None, list[TreeJob]] = {}
    for job in sorted(found.values(), key=lambda job: (job.row.scheduled_time, job.row.id)):
        below.setdefault(job.above, []).append(job)
    jobs_in_order: list[TreeJob] = []
    waiting = [(job, 0) for job in reversed(below.get(None, []))]
    while waiting:
        job, depth = waiting.pop()
        job.depth = depth
        jobs_in_order.append(job)
        waiting += [(each, depth + 1) for each in reversed(below.get(job.row.id, []))]
    return jobs_in_order
