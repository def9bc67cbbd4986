"""Who lost to whom, as it is remembered: one row for each pair of functions and the table they met on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from .tables import conflicts, finished, jobs

NOBODY_KNOWS = ""


@dataclass(frozen=True)
class Losses:
    """``function`` lost to ``other`` on ``table``, so many times. None: nobody knows."""

    function: str
    other: str | None
    table: str | None
    times: int
    last_time: datetime


def remember_losses(connection: Connection, losses: Sequence[Losses]) -> None:
    """Add to what is remembered."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    new = dialect.insert(conflicts)
    added = {"times": conflicts.c.times + new.excluded.times, "last_time": new.excluded.last_time}
    statement = new.on_conflict_do_update(index_elements=[*conflicts.primary_key], set_=added)
    # In one order, so that two processes that do this at once wait for each other and not both ways.
    rows = sorted((row_of(each) for each in losses), key=lambda row: (row["function"], row["other_function"]))
    for row in rows:
        connection.execute(statement, row)


def row_of(losses: Losses) -> dict[str, object]:
    return {
        "function": losses.function,
        "other_function": losses.other or NOBODY_KNOWS,
        "table_name": losses.table or NOBODY_KNOWS,
        "times": losses.times,
        "last_time": losses.last_time,
    }


def list_losses(connection: Connection) -> list[Losses]:
    """Everything that is remembered, the most frequent first."""
    rows = connection.execute(select(conflicts).order_by(conflicts.c.times.desc(), conflicts.c.last_time.desc()))
    return [
        Losses(row.function, row.other_function or None, row.table_name or None, row.times, row.last_time)
        for row in rows
    ]


def forget_losses(connection: Connection, before: datetime) -> None:
    """Forget pairs that have not met since."""
    connection.execute(delete(conflicts).where(conflicts.c.last_time < before))


def finished_meanwhile(connection: Connection, began: datetime, ended: datetime, limit: int) -> list[str]:
    """The functions of scheduled mutations, of any process, that were committed between two times, latest first."""
    when = finished.c.completed_time
    names = (
        select(jobs.c.name)
        .join(finished, finished.c.job_id == jobs.c.id)
        .where(finished.c.state_kind == "success", when.between(began, ended), jobs.c.kind == "mutation")
        .order_by(when.desc())
        .limit(limit)
    )
    return list(dict.fromkeys(connection.execute(names).scalars()))
