"""Notices that the clock was ahead, and derives afresh the times that jobs wait for since."""

from __future__ import annotations

import logging
import time

from ..clock import Clock
from ..database import misdated, workers
from ..database.database import Database
from ..settings import Settings
from .heartbeat import Heartbeat

logger = logging.getLogger("convexpy.dispatch")


class ClockWatch:
    """Compares the clock with one that cannot be set. Crons need no such hint: their few rows are always looked at."""

    def __init__(self, database: Database, clock: Clock, settings: Settings, heartbeat: Heartbeat) -> None:
        self._database = database
        self._heartbeat = heartbeat
        self._clock = clock
        self._longest = settings.retry_longest
        self._interval = settings.heartbeat_interval.total_seconds()
        self._offset: float | None = None

    def tick(self) -> float:
        """How many seconds until the next look."""
        offset = self._clock.now().timestamp() - time.monotonic()
        # The first look of a process counts as well: the clock may have been set back while nothing was running.
        was_set_back = self._offset is None or offset < self._offset - misdated.TOLERANCE.total_seconds()
        if not was_set_back or self._correct():
            self._offset = offset
        return self._interval

    def _correct(self) -> bool:
        """False: by the heartbeats of others, it is this clock that may be wrong."""
        while True:
            now = self._clock.now()
            with self._database.read_internal() as connection:
                if workers.has_ahead(connection, self._heartbeat.worker, now):
                    return False
                found = misdated.find(connection, now, self._longest)
            if not found:
                return True
            with self._database.write_internal(sync="as set") as connection:
                misdated.correct(connection, found, now)
            logger.warning("the clock was ahead: %d jobs waited for a time that was too late", len(found))
            if len(found) < misdated.MOST:
                return True
