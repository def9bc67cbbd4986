"""What is seen of the database and of the processes that use it: workers and what they hold, connections, size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from sqlalchemy import Connection, func, select

from .minutes import ALL_FUNCTIONS, MINUTE, RunSums, minute_of, sums_of
from .tables import minutes, queue, workers
from .workers import is_gone

MOST_CLAIMED: Final = 10_000
"""So many claims are counted at most."""
MOST_WORKERS: Final = 200
MOST_ROWS: Final = 20_000

SIZE: Final = "SELECT pg_database_size(current_database())"
CONNECTIONS: Final = """
SELECT count(*) FILTER (WHERE application_name = 'convexpy') AS own, count(*) AS every,
       current_setting('max_connections')::int AS most
FROM pg_stat_activity WHERE backend_type = 'client backend' AND datname = current_database()
"""


class Span(NamedTuple):
    """A stretch of time in a chart: when it begins, and the minutes whose sums stand for it."""

    start: datetime
    minutes: tuple[datetime, ...]


@dataclass
class SpanSums:
    """What was run in a span, as far as it was looked at."""

    span: Span
    sums: RunSums = field(default_factory=RunSums)

    @property
    def seconds(self) -> float:
        """For how many seconds there are sums."""
        return len(self.span.minutes) * MINUTE.total_seconds()


@dataclass(frozen=True)
class WorkerFigures:
    """A registered worker, and how many jobs it holds of each kind."""

    id: str
    host: str
    pid: int
    started_time: datetime
    heartbeat_time: datetime
    is_alive: bool
    mutations: int
    actions: int


@dataclass(frozen=True)
class DatabaseFigures:
    """The size of the database in bytes, and its connections. None: it has none, or it does not tell."""

    size: int | None
    log_size: int | None
    """Of SQLite's write-ahead log."""
    own_connections: int | None
    """Those of convexpy."""
    all_connections: int | None
    most_connections: int | None


def spans(now: datetime, count: int, minutes: int, looked_at: int) -> list[Span]:
    """So many stretches of so many minutes up to now, the oldest first.

    Args:
        now: The minute that is not over is not among them.
        count: How many stretches.
        minutes: Of how many minutes each is.
        looked_at: Of how many of these the sums are read: minutes at equal distances.
    """
    end, step = minute_of(now), minutes // looked_at
    starts = (end - MINUTE * minutes * back for back in range(count, 0, -1))
    return [Span(start, tuple(start + MINUTE * step * number for number in range(looked_at))) for start in starts]


def sums_of_spans(connection: Connection, wanted: Sequence[Span]) -> list[SpanSums]:
    """What was run in each, over all functions and processes."""
    found = {span.start: SpanSums(span) for span in wanted}
    by_minute = {minute: span.start for span in wanted for minute in span.minutes}
    rows = connection.execute(
        select(minutes).where(minutes.c.minute.in_(by_minute), minutes.c.function == ALL_FUNCTIONS).limit(MOST_ROWS)
    )
    for row in rows:
        found[by_minute[row.minute]].sums.add(sums_of(row))
    return [*found.values()]


def worker_figures(connection: Connection, now: datetime, timeout: timedelta) -> list[WorkerFigures]:
    """The registered workers, those that were heard last first."""
    claims = select(queue.c.worker, queue.c.kind).where(queue.c.worker.is_not(None)).limit(MOST_CLAIMED).subquery()
    counted = select(claims.c.worker, claims.c.kind, func.count()).group_by(claims.c.worker, claims.c.kind)
    held = {(worker, kind): count for worker, kind, count in connection.execute(counted)}
    rows = connection.execute(select(workers).order_by(workers.c.heartbeat_time.desc()).limit(MOST_WORKERS))
    return [
        WorkerFigures(
            id=row.id,
            host=row.host.partition(" ")[0],
            pid=row.pid,
            started_time=row.started_time,
            heartbeat_time=row.heartbeat_time,
            is_alive=not is_gone(row) and abs(now - row.heartbeat_time) <= timeout,
            mutations=held.get((row.id, "mutation"), 0),
            actions=held.get((row.id, "action"), 0),
        )
        for row in rows
    ]


def database_figures(connection: Connection) -> DatabaseFigures:
    """How large the database is, and how many connections it has."""
    if connection.dialect.name == "postgresql":
        used = connection.exec_driver_sql(CONNECTIONS).one()
        return DatabaseFigures(connection.exec_driver_sql(SIZE).scalar(), None, used.own, used.every, used.most)
    path = Path(str(connection.engine.url.database))
    return DatabaseFigures(size_of([path]), size_of([path.with_name(f"{path.name}-wal")]), None, None, None)


def size_of(paths: Iterable[Path]) -> int | None:
    """How many bytes these files have. None: one of them is not there."""
    with suppress(OSError):
        return sum(path.stat().st_size for path in paths)
    return None
