"""The functions that this worker has met and does not know: while others live, their jobs are left to these.

So old and new workers may run side by side: each leaves alone what only the other can run.
"""

from __future__ import annotations

from collections.abc import Callable

from ..clock import Clock
from ..database import unclaimed, workers
from ..database.claim import Claim
from ..database.database import Database
from ..settings import Settings
from .heartbeat import Heartbeat


class UnknownFunctions:
    """Their names, which this worker's claims leave out."""

    def __init__(self, database: Database, clock: Clock, settings: Settings, heartbeat: Heartbeat) -> None:
        self._database = database
        self._clock = clock
        self._patience = settings.unknown_function_patience
        self._timeout = settings.heartbeat_timeout
        self._interval = settings.heartbeat_interval.total_seconds()
        self._heartbeat = heartbeat
        self.names: frozenset[str] = frozenset()

    def forget(self) -> None:
        """Claim everything again: this worker goes on with another version of the app, or all others are gone."""
        self.names = frozenset()

    def leave(self, claim: Claim) -> bool:
        """Give back a job whose function is unknown here, for other workers. False: there are none."""
        now = self._clock.now()
        with self._database.write_internal(sync="as set") as connection:
            if not workers.has_others(connection, self._heartbeat.worker, now, self._timeout):
                return False
            unclaimed.give_back(connection, claim, now)
        self.names |= {claim.name}
        return True

    def tick(self, fail: Callable[[Claim], None], on_found: Callable[[], None]) -> float:
        """Fail what no other worker has claimed for too long. How many seconds until the next round.

        Args:
            fail: Called with a claim of each such job.
            on_found: Called if there are jobs to claim again, because the other workers are gone.
        """
        if self.names:
            self._review(fail, on_found)
        return self._interval

    def _review(self, fail: Callable[[Claim], None], on_found: Callable[[], None]) -> None:
        now, names = self._clock.now(), self.names
        with self._database.read_internal() as connection:
            has_others = workers.has_others(connection, self._heartbeat.worker, now, self._timeout)
            waiting = unclaimed.find_due(connection, names, now)
        if not has_others:
            self.forget()
            on_found()
            return
        new = [job.id for job in waiting if job.left_time is None]
        overdue = [job.id for job in waiting if job.left_time is not None and now - job.left_time >= self._patience]
        if new or overdue:
            with self._database.write_internal(sync="as set") as connection:
                unclaimed.mark_left(connection, new, now)
                claims = unclaimed.claim(connection, overdue, self._heartbeat.ensure_registered(connection))
            for claim in claims:
                fail(claim)
        if len(waiting) < unclaimed.MOST:  # those were all: what was run by others need not be left out any more
            self.names -= names - {job.name for job in waiting}
