"""Keep the tables true and small: heartbeat, recovery of what dead workers held, and the purge of old jobs."""

from __future__ import annotations

import logging

from ..clock import Clock
from ..database import jobs, workers
from ..database.commits import CommitFeed
from ..database.engine import Database
from ..settings import Settings
from .worker import Worker

logger = logging.getLogger("convexpy.dispatch")

BATCH = 1000


class Maintenance:
    """What every worker does besides running jobs. It may run on any number of workers at once."""

    def __init__(self, database: Database, clock: Clock, settings: Settings, feed: CommitFeed, worker: Worker) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._feed = feed
        self._worker = worker

    def tick(self) -> float:
        """One round. Each part is tried, whatever became of the others."""
        for part in (self.beat, self.rescue, self.prune):
            try:
                part()
            except Exception:
                logger.exception("%s failed and is tried again later", part.__name__)
        return self._settings.heartbeat_interval.total_seconds()

    def beat(self) -> None:
        if not self._worker.beat():
            logger.warning("this worker was silent for so long that others recovered its jobs; it goes on as a new one")

    def rescue(self) -> None:
        """Recover what dead workers held."""
        now = self._clock.now()
        with self._database.look() as connection:
            timeout = self._settings.heartbeat_timeout
            dead = workers.find_dead(connection, self._worker.id, now, timeout)
        for worker in dead:
            with self._database.internal(sync="as set") as connection:
                lost, freed = jobs.rescue(connection, worker, now, self._settings)
                workers.remove(connection, worker)
            logger.warning("a worker died: %d actions failed, %d jobs are tried again", lost, freed)
            self._feed.announce()

    def prune(self) -> int:
        """Forget finished jobs past their retention, a batch at a time. How many it was."""
        before = self._clock.now() - self._settings.retention
        gone = 0
        while True:
            with self._database.look() as connection:
                if not jobs.has_old(connection, before):
                    return gone
            with self._database.internal() as connection:
                gone += jobs.prune(connection, before, BATCH)
