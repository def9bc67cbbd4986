"""What a worker holds of a job while it may try to run it."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from .types import JobId


class Claim(NamedTuple):
    """A job that one worker may now try to run, for as long as it holds the token."""

    job_id: JobId
    token: str
    name: str
    kind: str
    args: str
    attempt: int
    scheduled_time: datetime
    cron: str | None
    position: int
