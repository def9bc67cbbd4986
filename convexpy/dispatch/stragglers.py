"""What waits behind the frontier: jobs that were committed late, or given back."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from ..database import jobs
from ..database.claim import QueuePosition
from ..database.database import Database
from ..settings import Settings
from .claim_cursor import ClaimCursor

# How many times as long as a look takes there is none like it again.
PAUSE_TIMES: Final = 10.0
SHORTEST_SECONDS: Final = 0.25
# While claims begin where the queue does, nothing is left behind.
NEAR_SECONDS: Final = 1.0


class Stragglers:
    """Looks behind the frontier on a thread of its own: nobody waits while it walks over what is over."""

    def __init__(self, database: Database, settings: Settings, frontier: ClaimCursor, wake: Callable[[], None]) -> None:
        self._database = database
        self._frontier = frontier
        self._wake = wake
        # A job is due when its mutation began, and can be seen once that has committed.
        self._lateness = settings.mutation_time_limit
        self._next_long_look = 0.0

    def tick(self) -> float:
        """A look a short way back; and now and then one from the beginning, for what was given back."""
        if not self._frontier.is_far:
            return NEAR_SECONDS
        if time.monotonic() >= self._next_long_look:
            self._look_from_the_beginning()
        began = time.monotonic()
        self._look(self._frontier.before(self._lateness))
        return max(SHORTEST_SECONDS, PAUSE_TIMES * (time.monotonic() - began))

    def _look_from_the_beginning(self) -> None:
        began = time.monotonic()
        try:
            self._look({})
            self._frontier.is_far = self._frontier.is_long(time.monotonic() - began)
        finally:  # also if it took so long that the server broke it off
            ended = time.monotonic()
            self._next_long_look = ended + PAUSE_TIMES * (ended - began)

    def _look(self, places: Mapping[str, QueuePosition]) -> None:
        """Let claims begin with what is found behind these places and before the frontier."""
        with self._database.read_internal(generic_plan=True) as connection:
            dues = jobs.next_due(connection, places)
        if self._frontier.go_back(dues):
            self._wake()
