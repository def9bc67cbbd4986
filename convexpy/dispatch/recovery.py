"""Recover jobs that would never end: those that dead workers held, and those that a living one has lost track of."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from ..clock import Clock
from ..database import workers
from ..database.database import Database
from ..database.types import JobId
from ..database.workers import LOST_ACTION, LostAction, jobs_of_worker, recover_jobs
from ..functions.declare import Kind
from ..runtime.events import Job, Run, RunListeners
from ..settings import Settings
from .heartbeat import Heartbeat

logger = logging.getLogger("convexpy.dispatch")


class Recovery:
    """What every worker does for the others. Any number of them may at once."""

    def __init__(
        self, database: Database, clock: Clock, settings: Settings, heartbeat: Heartbeat, listeners: RunListeners
    ) -> None:
        self._database = database
        self._listeners = listeners
        self._clock = clock
        self._settings = settings
        self._heartbeat = heartbeat
        self._interval = settings.heartbeat_interval.total_seconds()
        # Since when each suspect has sent no heartbeat, and its last one.
        self._suspects: dict[str, tuple[datetime, datetime]] = {}
        self._untracked: set[JobId] = set()
        self.tracked: Callable[[], set[JobId]] = set
        """The jobs that this worker knows it holds."""

    def recover_dead(self) -> float:
        """Recover what dead workers held. How many seconds until the next round.

        A worker that is only silent must have been so at the last round already: if the database's clock jumped
        ahead, all of them seem to have been silent for long, and the living prove the opposite within one interval.
        One whose heartbeat lies in the future must have been silent since for the whole timeout: it may be this clock
        that is behind.
        """
        now = self._clock.now()
        with self._database.read_internal() as connection:
            timeout = self._settings.heartbeat_timeout
            suspects = workers.find_suspects(connection, self._heartbeat.worker, now, timeout)
            unknown = workers.find_unknown(connection)
        before, self._suspects = self._suspects, {}
        for suspect in suspects:
            since, heartbeat_time = before.get(suspect.id, (now, None))
            is_silent = heartbeat_time == suspect.heartbeat_time
            self._suspects[suspect.id] = since if is_silent else now, suspect.heartbeat_time
            is_ahead = suspect.heartbeat_time > now
            if suspect.is_gone or (is_silent and (not is_ahead or now - since > timeout)):
                self._recover(suspect.id, now, "a worker died", heartbeat_time=suspect.heartbeat_time)
        for worker in unknown:
            self._recover(worker, now, "a worker is gone that held jobs")
        return self._interval

    def reclaim(self) -> float:
        """Recover what this worker holds by the database's account and not by its own. Seconds until the next round.

        That is how a claim ends whose COMMIT was never answered, or an action that finished on a primary whose last
        commits were lost. It must have been so at the last round already: a claim may be under way.
        """
        with self._database.read_internal() as connection:
            untracked = jobs_of_worker(connection, self._heartbeat.worker) - self.tracked()
        confirmed, self._untracked = untracked & self._untracked, untracked
        if confirmed:
            why = "the database says that this worker holds jobs that it does not know"
            self._recover(self._heartbeat.worker, self._clock.now(), why, only=confirmed)
        return self._interval

    def _recover(
        self,
        worker: str,
        now: datetime,
        why: str,
        *,
        heartbeat_time: datetime | None = None,
        only: set[JobId] | None = None,
    ) -> None:
        """Recover a worker's jobs; with the time of its heartbeat, if there was none since: then it is given up."""
        with self._database.write_internal(sync="as set") as connection:
            if heartbeat_time is not None and not workers.give_up(connection, worker, heartbeat_time):
                return
            failed, freed = recover_jobs(connection, worker, now, self._settings, only)
        logger.warning("%s: %d actions failed, %d jobs are tried again", why, len(failed), freed)
        self._listeners.notify(*(run_of(lost, now) for lost in failed))


def run_of(lost: LostAction, now: datetime) -> Run:
    """The run of an action whose process died."""
    job, seconds = Job(lost.job_id, lost.attempt), (now - lost.started).total_seconds()
    return Run(lost.name, Kind.ACTION, lost.started, seconds, "failed", LOST_ACTION, job, lost.cron)
