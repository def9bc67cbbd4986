"""What each process with live queries says of them, in ``_convexpy_live``: one row a process."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, delete, insert, select, update

from .tables import live
from .workers import is_gone, this_host

WRITTEN_EVERY: Final = timedelta(seconds=5)
STALE_AFTER: Final = timedelta(seconds=30)
"""A process that has not written for so long has ended, or hangs."""
PURGED_AFTER: Final = timedelta(minutes=10)
MOST_QUERIES: Final = 1000
"""Of one process; it says of no more."""

Summary = dict[str, Any]


def write_summary(connection: Connection, process: str, now: datetime, queries: Sequence[Summary]) -> None:
    """Say what the live queries of this process are like now, and delete what dead processes have left."""
    values = {"time": now, "queries": {"queries": list(queries[:MOST_QUERIES])}}
    if connection.execute(update(live).where(live.c.id == process).values(values)).rowcount == 0:
        connection.execute(insert(live).values(id=process, host=this_host(), pid=os.getpid(), **values))
    others = connection.execute(select(live.c.id, live.c.host, live.c.pid, live.c.time).where(live.c.id != process))
    dead = [row.id for row in others if is_gone(row) or abs(now - row.time) > PURGED_AFTER]
    if dead:
        connection.execute(delete(live).where(live.c.id.in_(dead)))


def remove_summary(connection: Connection, process: str) -> None:
    """This process has no live queries any more."""
    connection.execute(delete(live).where(live.c.id == process))


def read_summaries(connection: Connection, now: datetime) -> list[tuple[int, Summary]]:
    """The live queries of all processes that are alive, each with the id of its process."""
    rows = connection.execute(select(live).order_by(live.c.id)).all()
    alive = [row for row in rows if abs(now - row.time) <= STALE_AFTER and not is_gone(row)]
    return [(row.pid, query) for row in alive for query in row.queries["queries"]]
