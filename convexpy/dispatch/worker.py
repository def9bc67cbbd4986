"""This process as a worker: registered under an id that is new at every start."""

from __future__ import annotations

import secrets

from ..clock import Clock
from ..database import workers
from ..database.engine import Database


class Worker:
    """The id under which this process claims jobs."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self.id = secrets.token_hex(16)

    def register(self) -> None:
        self.id = secrets.token_hex(16)
        with self._database.internal() as connection:
            workers.register(connection, self.id, self._clock.now())

    def beat(self) -> bool:
        """Say that this worker is alive. False if others gave it up: what it held is theirs, and it begins anew."""
        with self._database.internal() as connection:
            alive = workers.beat(connection, self.id, self._clock.now())
        if not alive:
            self.register()
        return alive

    def leave(self) -> None:
        with self._database.internal() as connection:
            workers.remove(connection, self.id)
