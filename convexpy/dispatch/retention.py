"""Purge what is past its retention, a batch at a time, so that nothing has to wait for it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Final

from ..clock import Clock
from ..database import error_groups, log_lines, minutes
from ..database.attempts import OLD_ATTEMPTS
from ..database.database import Database
from ..database.error_groups import OLD_ERROR_MINUTES, OLD_ERRORS
from ..database.log_pruning import prune_commits
from ..database.minutes import OLD_MINUTES
from ..database.requests import purge_requests
from ..database.retention import ENDS, purge_jobs
from ..settings import Settings

BATCH: Final = 1000
INTERVAL: Final = timedelta(minutes=1)
LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Retention:
    """Finished jobs past their retention, and old rows: of the commit log, of answered requests, of sums and errors.

    Any number of workers may purge at once.
    """

    def __init__(self, database: Database, clock: Clock, settings: Settings) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._reached: dict[str, datetime] = {}
        self._kept = (
            (OLD_MINUTES, minutes.KEPT),
            (OLD_ERRORS, error_groups.KEPT),
            (OLD_ERROR_MINUTES, error_groups.KEPT),
            (OLD_ATTEMPTS, settings.retention),
            (log_lines.OLD_LINES, log_lines.KEPT),
        )

    def tick(self) -> float:
        """Purge one batch. How many seconds until the next: as long as this one took, so others get as much time."""
        began = time.monotonic()
        return time.monotonic() - began if self.purge() else INTERVAL.total_seconds()

    def purge(self) -> bool:
        """Purge up to a batch of each kind. Whether there may be more."""
        now = self._clock.now()
        before = now - self._settings.retention
        reached, self._reached = self._reached, {}  # after an error from the beginning
        counts = []
        with self._database.write_internal(generic_plan=True) as connection:
            counts.append(prune_commits(connection, self._database.clock.now(), BATCH))
            counts.append(purge_requests(connection, now, BATCH))
            counts += [old.delete(connection, now - kept, BATCH) for old, kept in self._kept]
            for end in ENDS:
                count, reached[end] = purge_jobs(connection, end, reached.get(end, LONG_AGO), before, BATCH)
                counts.append(count)
        if max(counts) < BATCH:
            return False
        self._reached = reached
        return True
