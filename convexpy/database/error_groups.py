"""Failures, grouped by where they come from, with how often each group was seen in each minute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, bindparam, delete, func, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from .tables import error_minutes, errors
from .types import JobId

KEPT: Final = timedelta(days=7)
MOST_GROUPS: Final = 200


@dataclass(frozen=True)
class ErrorGroup:
    """Failures of one function by one exception at one place."""

    fingerprint: str
    function: str
    exception: str
    place: str | None
    message: str
    """Of the last failure, as are the traceback and the job."""
    job_id: JobId | None
    times: int
    first_time: datetime
    last_time: datetime


def recent_errors(connection: Connection, since: datetime, limit: int = MOST_GROUPS) -> list[ErrorGroup]:
    """The groups that were seen since a time, the latest first."""
    raise NotImplementedError


def count_new_errors(connection: Connection, since: datetime, most: int = MOST_GROUPS) -> int:
    """How many groups were first seen since a time, as far as they are among the last ``most``."""
    raise NotImplementedError
