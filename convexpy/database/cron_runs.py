"""The last runs of each cron, and the slots that were left out. They outlive the retention of jobs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, cast, delete, literal, select, true
from sqlalchemy.dialects import postgresql, sqlite

from .tables import cron_runs as table
from .tables import jobs
from .types import JobId

KEPT: Final = 30
"""How many runs of a cron are kept."""
MOST_CRONS: Final = 1000

CronOutcome = Literal["success", "failed", "canceled", "skipped"]


class CronRun(NamedTuple):
    """A run of a cron that is over, or a slot that was left out."""

    cron: str
    slot_time: datetime
    job_id: JobId | None
    started_time: datetime | None
    seconds: float | None
    outcome: CronOutcome
    reason: str | None
    """Why a slot was left out."""


class FinishedRun(NamedTuple):
    """The job of a cron that has ended."""

    cron: str
    job_id: JobId
    started_time: datetime
    seconds: float
    outcome: CronOutcome


def add_skipped(connection: Connection, cron: str, slot: datetime, reason: str) -> None:
    """Record that a slot was left out, within the transaction that leaves it out."""
    _add(connection, select(*_columns(cron, literal(slot, table.c.slot_time.type), outcome="skipped", reason=reason)))
    _trim(connection, cron)


def has_many_skipped(connection: Connection, cron: str, since: datetime, most: int) -> bool:
    """Whether so many slots since a time are recorded as left out."""
    skipped = select(table.c.slot_time).where(
        table.c.cron == cron, table.c.slot_time >= since, table.c.outcome == "skipped"
    )
    return len(connection.execute(skipped.limit(most)).all()) == most


def add_finished(connection: Connection, runs: Sequence[FinishedRun]) -> None:
    """Record runs that are over, under the slots that their jobs have. What is recorded already stays as it is."""
    for run in runs:
        job, started, seconds = run.job_id, run.started_time, run.seconds
        values = _columns(run.cron, jobs.c.scheduled_time, job, started, seconds, outcome=run.outcome)
        _add(connection, select(*values).where(jobs.c.id == job))
    for cron in sorted({run.cron for run in runs}):
        _trim(connection, cron)


def recent_runs(connection: Connection, cron: str | None = None) -> dict[str, list[CronRun]]:
    """The last runs of one cron, or of every cron, by its name, the oldest first."""
    found = select(table).order_by(table.c.cron, table.c.slot_time).limit(KEPT * MOST_CRONS)
    runs: dict[str, list[CronRun]] = {}
    for row in connection.execute(found if cron is None else found.where(table.c.cron == cron)):
        runs.setdefault(row.cron, []).append(CronRun(*row))
    return runs


def _columns(
    cron: str,
    slot: ColumnElement[datetime],
    job_id: JobId | None = None,
    started: datetime | None = None,
    seconds: float | None = None,
    *,
    outcome: CronOutcome,
    reason: str | None = None,
) -> list[ColumnElement[Any]]:
    values = (cron, slot, job_id, started, seconds, outcome, reason)
    return [
        value if isinstance(value, ColumnElement) else cast(literal(value, column.type), column.type)
        for value, column in zip(values, table.c, strict=True)
    ]


def _add(connection: Connection, values: Select[Any]) -> None:
    new = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)
    # A condition, or SQLite would take ON CONFLICT for the ON of a join.
    connection.execute(new.from_select(list(table.c), values.where(true())).on_conflict_do_nothing())


def _trim(connection: Connection, cron: str) -> None:
    """Keep the last ones."""
    slots = select(table.c.slot_time).where(table.c.cron == cron).order_by(table.c.slot_time.desc())
    oldest = slots.offset(KEPT - 1).limit(1).scalar_subquery()
    connection.execute(delete(table).where(table.c.cron == cron, table.c.slot_time < oldest))
