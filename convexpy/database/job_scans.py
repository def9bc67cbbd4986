"""Ordered scans for lists of jobs: places and ids, read from an index and nothing else.

A list has three sections: what runs, what waits, what is over. A scan of a section gives its jobs in the order of the
list, in chunks that grow, and begins after a place that an earlier scan has reached. What a scan gives is looked at
by id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import BigInteger, String, bindparam, func, select, tuple_
from sqlalchemy.engine import Connection

from .job_statements import KINDS, after
from .statement import Statement
from .tables import finished, jobs, queue
from .types import EPOCH, JobId, Timestamp

FIRST_CHUNK: Final = 120
LARGEST_CHUNK: Final = 5_000
MOST_CLAIMED: Final = 10_000
"""More than the workers of an app claim at once."""
MOST_OF_CRON: Final = 500
"""A cron has one run at a time, so what waits of it is among its latest."""
FAR: Final = datetime(9999, 1, 1, tzinfo=UTC)


class Place(NamedTuple):
    """Where a job is in its section: a time, and what is compared among jobs of the same time."""

    time: datetime
    tie: int | str
    job_id: JobId


class ClaimedJob(NamedTuple):
    """A job that a worker holds. ``run_token``: the action has begun."""

    due_time: datetime
    position: int
    job_id: JobId
    run_token: str | None


FIRST: Final = Place(EPOCH, -1, JobId(""))
LAST: Final = Place(FAR, "", JobId(""))


def not_before(name: str) -> Any:
    """The latest of a list come first, so a scan goes on with what is less than a place."""
    return tuple_(bindparam(f"{name}_time", type_=Timestamp), bindparam(f"{name}_tie", type_=String))


CLAIMED: Final = Statement(
    select(queue.c.due_time, queue.c.position, queue.c.job_id, queue.c.run_token)
    .where(queue.c.worker.is_not(None))
    .limit(MOST_CLAIMED),
    row=ClaimedJob,
)

WAITING: Final = Statement(
    select(queue.c.due_time, queue.c.position, queue.c.job_id)
    .where(
        queue.c.kind == bindparam("of_kind"),
        queue.c.worker.is_(None),
        after("after"),
        queue.c.due_time < bindparam("until", type_=Timestamp),
    )
    .order_by(queue.c.due_time, queue.c.position)
    .limit(bindparam("limit")),
    row=Place,
)

ENDED: Final = Statement(
    select(finished.c.completed_time, finished.c.job_id.label("tie"), finished.c.job_id)
    .where(
        finished.c.state_kind == bindparam("end"),
        tuple_(finished.c.completed_time, finished.c.job_id) < not_before("before"),
        finished.c.completed_time >= bindparam("since", type_=Timestamp),
    )
    .order_by(finished.c.completed_time.desc(), finished.c.job_id.desc())
    .limit(bindparam("limit")),
    row=Place,
)

# A subquery, not a join, which the planner could turn round. 0: the job does not wait.
_position: Final[Any] = func.coalesce(
    select(queue.c.position).where(queue.c.job_id == jobs.c.id).scalar_subquery(), 0
).label("tie")


def latest_of(column: Any, tie: Any) -> Statement:
    """The jobs of one function or one cron that were due last."""
    return Statement(
        select(jobs.c.scheduled_time, tie, jobs.c.id)
        .where(
            column == bindparam("of"),
            jobs.c.scheduled_time <= bindparam("before_time", type_=Timestamp),
            tuple_(jobs.c.scheduled_time, jobs.c.id) < not_before("before"),
        )
        .order_by(jobs.c.scheduled_time.desc(), jobs.c.id.desc())
        .limit(bindparam("limit")),
        row=Place,
    )


OF_FUNCTION: Final = latest_of(jobs.c.name, jobs.c.id.label("tie"))
OF_CRON: Final = latest_of(jobs.c.cron, jobs.c.id.label("tie"))
WAITING_OF_CRON: Final = latest_of(jobs.c.cron, _position)

_after_time: Final = bindparam("after_time", type_=Timestamp)
AHEAD_OF_FUNCTION: Final = Statement(
    select(jobs.c.scheduled_time, _position, jobs.c.id)
    .where(
        jobs.c.name == bindparam("of"),
        jobs.c.scheduled_time >= _after_time,
        (jobs.c.scheduled_time > _after_time) | (_position.element > bindparam("after_tie", type_=BigInteger)),
    )
    .order_by(jobs.c.scheduled_time, _position.element)
    .limit(bindparam("limit")),
    row=Place,
)


def chunked(read: Callable[[Place, int], Sequence[Place]], start: Place) -> Iterator[Place]:
    """All places of a scan, read in chunks: small ones first, as most pages are full with what comes first."""
    size = FIRST_CHUNK
    while True:
        places = read(start, size)
        yield from places
        if len(places) < size:
            return
        start, size = places[-1], min(4 * size, LARGEST_CHUNK)


def claimed(connection: Connection) -> list[ClaimedJob]:
    """The jobs that workers hold."""
    return list(CLAIMED.execute(connection).rows)


def waiting(connection: Connection, start: Place, until: datetime) -> list[Iterator[Place]]:
    """A scan for each kind of what no worker holds, soonest first."""

    def scan(kind: str) -> Iterator[Place]:
        def read(place: Place, limit: int) -> Sequence[Place]:
            position = {"after_time": place.time, "after_position": place.tie}
            values = {"of_kind": kind, "until": until, "limit": limit, **position}
            return WAITING.execute(connection, values).rows

        return chunked(read, start)

    return [scan(kind) for kind in KINDS]


def ended(connection: Connection, end: str, start: Place, since: datetime) -> Iterator[Place]:
    """What is over and ended so, latest first."""

    def read(place: Place, limit: int) -> Sequence[Place]:
        values = {"end": end, "since": since, "limit": limit, **before_values(place)}
        return ENDED.execute(connection, values).rows

    return chunked(read, start)


def of_function(connection: Connection, name: str, start: Place) -> Iterator[Place]:
    """The jobs of one function in any state, those that were due last first."""
    return latest(connection, OF_FUNCTION, name, start)


def of_cron(connection: Connection, cron: str, start: Place) -> Iterator[Place]:
    """The jobs of one cron in any state, those that were due last first."""
    return latest(connection, OF_CRON, cron, start)


def latest(connection: Connection, statement: Statement, of: str, start: Place) -> Iterator[Place]:
    def read(place: Place, limit: int) -> Sequence[Place]:
        return statement.execute(connection, {"of": of, "limit": limit, **before_values(place)}).rows

    return chunked(read, start)


def ahead_of_function(connection: Connection, name: str, start: Place) -> Iterator[Place]:
    """The jobs of one function that are scheduled for later than a place, and wait; soonest first."""

    def read(place: Place, limit: int) -> Sequence[Place]:
        values = {"of": name, "after_time": place.time, "after_tie": place.tie, "limit": limit}
        return AHEAD_OF_FUNCTION.execute(connection, values).rows

    return (place for place in chunked(read, start) if place.tie)


def waiting_of_cron(connection: Connection, cron: str, start: Place) -> Iterator[Place]:
    """What waits of one cron, soonest first."""
    values = {"of": cron, "limit": MOST_OF_CRON, **before_values(LAST)}
    places = WAITING_OF_CRON.execute(connection, values).rows
    return iter(sorted(place for place in places if place.tie and place[:2] > start[:2]))


def before_values(place: Place) -> dict[str, Any]:
    return {"before_time": place.time, "before_tie": place.tie}
