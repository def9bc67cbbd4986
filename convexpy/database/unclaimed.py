"""Due jobs that no worker has claimed, because those that met them do not know their functions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, case, literal, select, update

from . import jobs as moves
from .claim import Claim
from .job_statements import CLAIMED, KINDS
from .tables import jobs, queue
from .types import JobId

LEFT: Final = "left to other workers: one that met it does not know its function"
# So many jobs are looked at in a round.
MOST: Final = 1000

_is_left: Final = jobs.c.last_error == LEFT
_waits: Final = queue.c.worker.is_(None)


def give_back(connection: Connection, claim: Claim, now: datetime) -> None:
    """Give a job back untried, and as due as it was."""
    moves.unclaim(connection, [claim])
    mark_left(connection, [claim.job_id], now)


def mark_left(connection: Connection, ids: Sequence[JobId], now: datetime) -> None:
    """Store since when jobs have been left to other workers. The first time counts."""
    if ids:
        unmarked = jobs.c.last_error.is_distinct_from(LEFT)
        connection.execute(update(jobs).where(jobs.c.id.in_(ids), unmarked).values(last_error=LEFT, next_try=now))
        moves.changes_of(connection).change_jobs(ids)


def find_due(connection: Connection, names: Collection[str], now: datetime) -> list[Any]:
    """The longest due jobs of these functions: ``id``, ``name``, and ``left_time``, if a worker has left it already."""
    left_time = case((_is_left, jobs.c.next_try)).label("left_time")
    due = select(jobs.c.id, jobs.c.name, left_time).join(queue, queue.c.job_id == jobs.c.id)
    due = due.where(_waits, queue.c.kind.in_(KINDS), queue.c.due_time <= now, jobs.c.name.in_(names))
    return list(connection.execute(due.order_by(queue.c.due_time, queue.c.position).limit(MOST)))


def claim(connection: Connection, ids: Sequence[JobId], worker: str) -> list[Claim]:
    """Claim these, as far as no other worker was first."""
    if not ids:
        return []
    token = moves.new_token()
    connection.execute(update(queue).where(queue.c.job_id.in_(ids), _waits).values(worker=worker, claim_token=token))
    columns = [literal(token) if column.key == "token" else column for column in CLAIMED]
    claimed = select(*columns, queue.c.position, queue.c.due_time).join(queue, queue.c.job_id == jobs.c.id)
    return [Claim._make(row) for row in connection.execute(claimed.where(queue.c.claim_token == token))]
