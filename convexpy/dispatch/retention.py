"""Forget what is old, a batch at a time: nobody waits for it, and it keeps nobody waiting."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Final

from ..clock import Clock
from ..database.database import Database
from ..database.retention import ENDS, purge_commits, purge_jobs
from ..settings import Settings

BATCH: Final = 1000
LOOK_EVERY: Final = timedelta(minutes=1)
LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Purge:
    """Finished jobs past their retention, and old commits. Any number of workers may purge at once."""

    def __init__(self, database: Database, clock: Clock, settings: Settings) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._reached: dict[str, datetime] = {}

    def tick(self) -> float:
        """One batch. The next one leaves as much time to everybody else as this one took."""
        began = time.monotonic()
        if self.batch():
            return time.monotonic() - began
        return LOOK_EVERY.total_seconds()

    def batch(self) -> bool:
        """Purge up to so many of each kind. Whether there may be more."""
        before = self._clock.now() - self._settings.retention
        reached, self._reached = self._reached, {}  # after an error from the beginning
        gone = []
        with self._database.write_internal(generic_plan=True) as connection:
            gone.append(purge_commits(connection, self._database.clock.now(), BATCH))
            for end in ENDS:
                count, reached[end] = purge_jobs(connection, end, reached.get(end, LONG_AGO), before, BATCH)
                gone.append(count)
        if BATCH not in gone:
            return False
        self._reached = reached
        return True
