"""Attempts of jobs that were rolled back: by a conflict, by an internal error, or as their worker was lost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal, NamedTuple

from sqlalchemy import Connection, bindparam, delete, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from .statement import Statement
from .tables import attempts as table
from .types import JobId

MOST_ROWS: Final = 1000

AttemptOutcome = Literal["conflict", "error", "lost"]


class Attempt(NamedTuple):
    """An attempt that was rolled back."""

    job_id: JobId
    attempt: int
    started_time: datetime
    seconds: float
    outcome: AttemptOutcome
    error: str | None
    lost_to: str | None = None
    """Of a conflict, a moment later, and if it is known: the function that it lost to, and on which table."""
    lost_on: str | None = None


def attempts_of(connection: Connection, job_ids: Sequence[JobId]) -> list[Attempt]:
    """The rolled back attempts of these jobs, by job and in their order. The attempt that ended a job is none."""
    raise NotImplementedError
