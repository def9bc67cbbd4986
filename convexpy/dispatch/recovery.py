"""Recover what nobody will end: what dead workers held, and what a living one holds without knowing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from ..clock import Clock
from ..database import workers
from ..database.commits import CommitFeed
from ..database.database import Database
from ..database.errors import is_internal
from ..database.types import JobId
from ..database.workers import Suspect, jobs_of_worker, recover_jobs
from ..settings import Settings
from .heartbeat import Worker

logger = logging.getLogger("convexpy.dispatch")


class Recovery:
    """What every worker does for the others. Any number of them may at once."""

    def __init__(self, database: Database, clock: Clock, settings: Settings, feed: CommitFeed, worker: Worker) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._feed = feed
        self._worker = worker
        self._suspects: dict[str, datetime] = {}
        self._forgotten: set[JobId] = set()
        self.holds: Callable[[], set[JobId]] = set

    def tick(self) -> float:
        """One round: as often as the living say that they are."""
        self._try(self.rescue, self.reclaim)
        return self._settings.heartbeat_interval.total_seconds()

    def _try(self, *parts: Callable[[], object]) -> None:
        """Each part is tried, whatever became of the others."""
        for part in parts:
            try:
                part()
            except Exception as error:
                if is_internal(error):
                    logger.warning("%s failed and is tried again later: %s", part.__name__, error)
                else:
                    logger.exception("%s failed and is tried again later", part.__name__)

    def rescue(self) -> None:
        """Recover what dead workers held.

        One that is only silent must have been so at the last round already: if the database's clock jumped ahead,
        everybody seems to have been silent for long, and the living prove the opposite within one interval.
        """
        now = self._clock.now()
        with self._database.read_internal() as connection:
            timeout = self._settings.heartbeat_timeout
            suspects = workers.find_suspects(connection, self._worker.id, now, timeout)
            unknown = workers.find_unknown(connection)
        for suspect in suspects:
            if suspect.is_gone or self._suspects.get(suspect.id) == suspect.heartbeat_time:
                self._recover(suspect, now)
        for worker in unknown:
            self._give_back(worker, now, "a worker is gone that held jobs")
        self._suspects = {each.id: each.heartbeat_time for each in suspects}

    def _recover(self, suspect: Suspect, now: datetime) -> None:
        with self._database.write_internal(sync="as set") as connection:
            if not workers.give_up(connection, suspect.id, suspect.heartbeat_time):
                return
            rescued = recover_jobs(connection, suspect.id, now, self._settings)
        self._tell("a worker died", rescued)

    def _give_back(self, worker: str, now: datetime, why: str, only: set[JobId] | None = None) -> None:
        with self._database.write_internal(sync="as set") as connection:
            rescued = recover_jobs(connection, worker, now, self._settings, only)
        self._tell(why, rescued)

    def _tell(self, why: str, rescued: tuple[int, int]) -> None:
        logger.warning("%s: %d actions failed, %d jobs are tried again", why, *rescued)
        self._feed.announce()

    def reclaim(self) -> None:
        """Recover what this worker holds by the database's account, and not by its own.

        That is how a claim ends whose COMMIT was never answered, or an action that finished on a primary whose last
        commits were lost. What was found so at the last round already is not just on its way.
        """
        with self._database.read_internal() as connection:
            forgotten = jobs_of_worker(connection, self._worker.id) - self.holds()
        confirmed, self._forgotten = forgotten & self._forgotten, forgotten
        if confirmed:
            why = "the database says that this worker holds jobs that it does not know"
            self._give_back(self._worker.id, self._clock.now(), why, confirmed)
