"""Lines of the log that processes show each other, in ``_convexpy_logs``, while somebody looks at them.

The process that somebody asks says so every few seconds, in one row of ``_convexpy_metadata``. The others write what is
new in their logs for as long as that row is fresh.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, delete, insert, select, tuple_, update

from ..clock import unix_milliseconds
from .old_rows import OldRows
from .tables import LOGS_WATCHED, logs, metadata_table
from .workers import this_host

WATCHED_FOR: Final = timedelta(seconds=30)
"""So long after that, nobody looks any more."""
KEPT: Final = timedelta(hours=1)
"""The last lines of a process that died are worth reading."""
MOST_PORTIONS: Final = 1000
"""So many rows are looked at, of all processes."""

OLD_LINES: Final = OldRows(logs, logs.c.time)

Line = dict[str, Any]


class PortionKey(NamedTuple):
    """One row: lines of a process, up to one number."""

    process: str
    number: int


@dataclass(frozen=True)
class Portion:
    """Lines that a process has written at one time."""

    key: PortionKey
    host: str
    pid: int
    lines: Sequence[Line]


@dataclass(frozen=True)
class Watch:
    """Who asked for lines last: the token of its process."""

    process: str
    time: datetime

    @classmethod
    def read(cls, value: str | None) -> Watch | None:
        """From the text of its row."""
        process, _, milliseconds = (value or "").partition(" ")
        if not milliseconds.isdigit():
            return None
        return cls(process, datetime.fromtimestamp(int(milliseconds) / 1000, UTC))

    def is_fresh(self, now: datetime) -> bool:
        return abs(now - self.time) <= WATCHED_FOR


def read_watch(connection: Connection) -> Watch | None:
    """Who asked for lines last."""
    found = select(metadata_table.c.value).where(metadata_table.c.key == LOGS_WATCHED)
    return Watch.read(connection.execute(found).scalar())


def write_watch(connection: Connection, process: str, now: datetime) -> None:
    """Somebody looks at the log by this process."""
    value = f"{process} {unix_milliseconds(now)}"
    change = update(metadata_table).where(metadata_table.c.key == LOGS_WATCHED).values(value=value)
    if connection.execute(change).rowcount == 0:
        connection.execute(insert(metadata_table).values(key=LOGS_WATCHED, value=value))


def write_lines(connection: Connection, key: PortionKey, now: datetime, lines: Sequence[Line], *, anew: bool) -> None:
    """Show others these lines of this process; ``anew``: instead of all that it has shown before."""
    if anew:
        forget_lines(connection, key.process)
    values = {"host": this_host().partition(" ")[0], "pid": os.getpid(), "lines": json.dumps(lines, default=str)}
    connection.execute(insert(logs).values(process=key.process, number=key.number, time=now, **values))


def forget_lines(connection: Connection, process: str) -> None:
    """This process shows nothing any more."""
    connection.execute(delete(logs).where(logs.c.process == process))


def portion_keys(connection: Connection, besides: str, now: datetime) -> list[PortionKey]:
    """What other processes show, the newest first."""
    rows = connection.execute(
        select(logs.c.process, logs.c.number)
        .where(logs.c.time >= now - KEPT)
        .order_by(logs.c.time.desc())
        .limit(MOST_PORTIONS)
    )
    return [PortionKey(*row) for row in rows if row.process != besides]


def read_portions(connection: Connection, keys: Sequence[PortionKey]) -> list[Portion]:
    """These rows, those of them that are still there."""
    if not keys:
        return []
    rows = connection.execute(select(logs).where(tuple_(logs.c.process, logs.c.number).in_(keys)))
    return [Portion(PortionKey(row.process, row.number), row.host, row.pid, json.loads(row.lines)) for row in rows]
