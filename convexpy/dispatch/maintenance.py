"""Keep the tables true and small: recovery of what dead workers held, and the purge of what is old."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from math import inf
from typing import Final

from ..clock import Clock
from ..database import jobs, workers
from ..database.commits import CommitFeed
from ..database.engine import Database
from ..database.faults import is_internal
from ..database.receipts import has_old_receipts, purge_receipts
from ..database.rescue import held_by_worker, rescue
from ..database.types import JobId
from ..database.workers import Suspect
from ..settings import Settings
from .worker import Worker

logger = logging.getLogger("convexpy.dispatch")

BATCH: Final = 1000
TIDY_EVERY: Final = timedelta(minutes=1)


class Maintenance:
    """What every worker does besides running jobs. It may run on any number of workers at once."""

    def __init__(self, database: Database, clock: Clock, settings: Settings, feed: CommitFeed, worker: Worker) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._feed = feed
        self._worker = worker
        self._suspects: dict[str, datetime] = {}
        self._tidied: datetime | None = None
        self._has_more = False
        self._forgotten: set[JobId] = set()
        self.holds: Callable[[], set[JobId]] = set

    def tick(self) -> float:
        """One round. There is much to forget after a busy day, but the next round is not late for it."""
        interval = self._settings.heartbeat_interval.total_seconds()
        next_round = time.monotonic() + interval
        self._try(self.rescue, self.reclaim)
        if self._is_time_to_tidy():
            self.tidy(interval)
        return max(0.0, next_round - time.monotonic())

    def tidy(self, seconds: float = inf) -> None:
        """Forget what is old, for so long at most. The next round goes on."""
        until = time.monotonic() + seconds
        self._has_more = False
        self._try(self.prune, self.purge_receipts, until=until)

    def _try(self, *parts: Callable[..., object], **given: float) -> None:
        """Each part is tried, whatever became of the others."""
        for part in parts:
            try:
                part(**given)
            except Exception as error:
                if is_internal(error):
                    logger.warning("%s failed and is tried again later: %s", part.__name__, error)
                else:
                    logger.exception("%s failed and is tried again later", part.__name__)

    def _is_time_to_tidy(self) -> bool:
        """Nobody waits for what is old to be forgotten, so it is looked for less often than the dead are."""
        now, last = self._clock.now(), self._tidied
        if last is not None and timedelta() <= now - last < TIDY_EVERY and not self._has_more:
            return False
        self._tidied = now
        return True

    def rescue(self) -> None:
        """Recover what dead workers held.

        One that is only silent must have been so at the last round already: if the database's clock jumped ahead,
        everybody seems to have been silent for long, and the living prove the opposite within one interval.
        """
        now = self._clock.now()
        with self._database.look() as connection:
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
        with self._database.internal(sync="as set") as connection:
            if not workers.give_up(connection, suspect.id, suspect.heartbeat_time):
                return
            rescued = rescue(connection, suspect.id, now, self._settings)
        self._tell("a worker died", rescued)

    def _give_back(self, worker: str, now: datetime, why: str, only: set[JobId] | None = None) -> None:
        with self._database.internal(sync="as set") as connection:
            rescued = rescue(connection, worker, now, self._settings, only)
        self._tell(why, rescued)

    def _tell(self, why: str, rescued: tuple[int, int]) -> None:
        logger.warning("%s: %d actions failed, %d jobs are tried again", why, *rescued)
        self._feed.announce()

    def reclaim(self) -> None:
        """Recover what this worker holds by the database's account, and not by its own.

        That is how a claim ends whose COMMIT was never answered, or an action that finished on a primary whose last
        commits were lost. What was found so at the last round already is not just on its way.
        """
        with self._database.look() as connection:
            forgotten = held_by_worker(connection, self._worker.id) - self.holds()
        confirmed, self._forgotten = forgotten & self._forgotten, forgotten
        if confirmed:
            why = "the database says that this worker holds jobs that it does not know"
            self._give_back(self._worker.id, self._clock.now(), why, confirmed)

    def purge_receipts(self, until: float = inf) -> None:
        """Forget receipts that nobody asks for any more, a batch at a time."""
        now = self._database.clock.now()
        while True:
            with self._database.look() as connection:
                if not has_old_receipts(connection, now):
                    return
            with self._database.internal() as connection:
                purge_receipts(connection, now, BATCH)
            if self._is_over(until):
                return

    def prune(self, until: float = inf) -> int:
        """Forget finished jobs past their retention, a batch at a time. How many it was."""
        before = self._clock.now() - self._settings.retention
        gone = 0
        while True:
            with self._database.look() as connection:
                if not jobs.has_old(connection, before):
                    return gone
            with self._database.internal() as connection:
                gone += jobs.prune(connection, before, BATCH)
            if self._is_over(until):
                return gone

    def _is_over(self, until: float) -> bool:
        """Whether the time is over, in which case the next round looks whether there is more."""
        is_over = time.monotonic() >= until
        self._has_more |= is_over
        return is_over
