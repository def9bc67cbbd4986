"""Figures of the queue: how many jobs wait, and since when the oldest one is due."""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, func, select

from .tables import queue

MOST_COUNTED: Final = 10_000
"""A count goes on for no longer than this."""
KINDS: Final = ("mutation", "action")


class QueueFigures(NamedTuple):
    """The jobs of one kind that are not finished."""

    kind: str
    pending: int
    """Those that no worker has claimed, up to the limit."""
    claimed: int
    """Those that a worker has claimed."""
    oldest_due: datetime | None
    """When the first one that waits is due. None: none waits."""


def queue_figures(connection: Connection) -> list[QueueFigures]:
    """The figures of each kind of job. Each statement reads a bounded part of an index."""
    waits, is_claimed = queue.c.worker.is_(None), queue.c.worker.is_not(None)
    found = []
    for kind in KINDS:
        is_kind = queue.c.kind == kind
        first = select(queue.c.due_time).where(is_kind, waits).order_by(queue.c.due_time).limit(1)
        pending, claimed = count(connection, is_kind, waits), count(connection, is_kind, is_claimed)
        found.append(QueueFigures(kind, pending, claimed, connection.execute(first).scalar()))
    return found


def count(connection: Connection, *conditions: ColumnElement[bool]) -> int:
    rows = select(queue.c.job_id).where(*conditions).limit(MOST_COUNTED).subquery()
    return connection.execute(select(func.count()).select_from(rows)).scalar_one()
