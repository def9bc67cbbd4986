"""The last runs of each cron, and the slots that were left out. They outlive the retention of jobs."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Final, Literal, NamedTuple

from sqlalchemy import Connection, delete, func, insert, literal, select
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
    raise NotImplementedError


def recent_runs(connection: Connection, cron: str | None = None) -> dict[str, list[CronRun]]:
    """The last runs of one cron, or of every cron, by its name, the oldest first."""
    raise NotImplementedError
