"""The heartbeat of this process: it is registered as a worker under an id that is new at every start."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime

from sqlalchemy import Connection

from ..clock import Clock
from ..database import workers
from ..database.crons import DeclaredCron
from ..database.database import Database
from ..database.workers import Version
from ..settings import Settings

logger = logging.getLogger("convexpy.dispatch")


class Heartbeat:
    """Keeps the worker registered under whose id this process claims jobs."""

    def __init__(self, database: Database, clock: Clock, settings: Settings) -> None:
        self._database = database
        self._interval = settings.heartbeat_interval.total_seconds()
        self._clock = clock
        self.worker = secrets.token_hex(16)
        """The id of the worker."""
        self._crons: Mapping[str, DeclaredCron] = {}
        self._started_time: datetime | None = None
        self.logs_watched: Callable[[str | None], None] = lambda watched: None
        """Called at each heartbeat with the process whose logs are looked at."""

    def declare(self, crons: Mapping[str, DeclaredCron]) -> None:
        """From the next heartbeat on, the worker's row says that it runs a version of the app with these crons."""
        self._crons, self._started_time = crons, None

    def register(self) -> None:
        with self._database.write_internal() as connection:
            self._register_anew(connection)

    def tick(self) -> float:
        """Beat, on a thread of its own, so that nothing delays it. How many seconds until the next beat."""
        if not self.beat():
            logger.warning("this worker was silent for so long that its jobs were recovered; it has a new id now")
        return self._interval

    def beat(self) -> bool:
        """Store that this worker is alive. False: it was given up as dead, and is registered under a new id."""
        with self._database.write_internal() as connection:
            now = self._clock.now()
            found = workers.beat(connection, self.worker, now, self._version(now))
            if not found.is_alive:
                self._register_anew(connection)
        self.logs_watched(found.watched)
        return found.is_alive

    def ensure_registered(self, connection: Connection) -> str:
        """The id to claim under. A worker that was given up gets a new one: no recovery would look for what it claims
        under its old id, nor under one that a heartbeat has just made and not committed."""
        worker = self.worker
        return worker if workers.is_known(connection, worker) else self._register_anew(connection)

    def leave(self) -> None:
        with self._database.write_internal() as connection:
            workers.leave(connection, self.worker)

    def _register_anew(self, connection: Connection) -> str:
        worker = secrets.token_hex(16)
        now = self._clock.now()
        workers.register(connection, worker, now, self._version(now))
        self.worker = worker
        return worker

    def _version(self, now: datetime) -> Version:
        """What runs here, since its first heartbeat; a clock that was ahead then is right again by now."""
        self._started_time = min(now, self._started_time or now)
        return Version(self._started_time, self._crons)
