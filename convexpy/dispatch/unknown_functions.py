"""Jobs whose function this process does not know: left to workers of another version, for a while."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from ..clock import Clock
from ..database import jobs, workers
from ..database.claim import Claim
from ..database.database import Database
from ..database.types import JobId
from ..settings import Settings
from .heartbeat import Worker

MOST_REMEMBERED: Final = 10_000


class UnknownFunctions:
    """While old and new workers run side by side, each meets jobs that only the other can run."""

    def __init__(self, database: Database, clock: Clock, settings: Settings, worker: Worker) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._worker = worker
        self._met: dict[JobId, tuple[datetime, int]] = {}

    def leave(self, claim: Claim, error: str) -> bool:
        """Give a job back for others to run, later and later. False: nobody else is there, or it has been too long."""
        now = self._clock.now()
        since, times = self._met.get(claim.job_id, (now, 0))
        with self._database.write_internal(sync="as set") as connection:
            waited = now - since >= self._settings.unknown_function_patience
            if waited or not workers.has_others(connection, self._worker.id, now, self._settings.heartbeat_timeout):
                self._met.pop(claim.job_id, None)
                return False
            due = now + self._settings.backoff(times + 1)
            jobs.postpone(connection, claim, f"{error} (left to other workers)", due)
        while len(self._met) >= MOST_REMEMBERED:
            self._met.pop(next(iter(self._met)))
        self._met[claim.job_id] = since, times + 1
        return True
