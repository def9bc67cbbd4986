"""This process as a worker: registered under an id that is new at every start."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable

from sqlalchemy import Connection

from ..clock import Clock
from ..database import workers
from ..database.database import Database
from ..settings import Settings

logger = logging.getLogger("convexpy.dispatch")


class Worker:
    """The id under which this process claims jobs."""

    def __init__(self, database: Database, clock: Clock, settings: Settings) -> None:
        self._database = database
        self._interval = settings.heartbeat_interval.total_seconds()
        self._clock = clock
        self.id = secrets.token_hex(16)

    def register(self) -> None:
        with self._database.write_internal() as connection:
            self._begin_anew(connection)

    def beat(self) -> bool:
        """Say that this worker is alive. False if others gave it up: what it held is theirs, and it begins anew."""
        with self._database.write_internal() as connection:
            alive = workers.beat(connection, self.id, self._clock.now())
            if not alive:
                self._begin_anew(connection)
        return alive

    def be_known(self, connection: Connection) -> str:
        """The id to claim under. Begin anew if others gave this worker up: nobody would look for what it claims under
        its old id, nor under one that a heartbeat has just made and not committed."""
        worker = self.id
        return worker if workers.is_known(connection, worker) else self._begin_anew(connection)

    def tick(self) -> float:
        """Beat, on a loop of its own: nothing that takes long may come in between. How many seconds until the next."""
        if not self.beat():
            logger.warning("this worker was silent for so long that others recovered its jobs; it goes on as a new one")
        return self._interval

    def leave(self) -> None:
        with self._database.write_internal() as connection:
            workers.leave(connection, self.id)

    def _begin_anew(self, connection: Connection) -> str:
        worker = secrets.token_hex(16)
        workers.register(connection, worker, self._clock.now())
        self.id = worker
        return worker


def try_to(say: Callable[[], None]) -> None:
    """Tell the database something that others can find out by themselves."""
    try:
        say()
    except Exception as error:
        logger.warning("the database failed while the app stopped: %s", error)
