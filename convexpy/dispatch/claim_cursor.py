"""Where claims begin on PostgreSQL, for when it costs too much to scan the queue from its start.

PostgreSQL keeps deleted rows for as long as the oldest open transaction, of any client, may still see them. While such
a transaction is open, a scan for what is due steps over everything that was due since. So once a scan takes long,
claims begin where the last one ended. What was committed late or given back lies before that: the backfill looks for
it on another thread, often a short way back and seldom from the start.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from ..clock import Clock
from ..database import jobs
from ..database.claim import START, Claim, QueuePosition
from ..database.database import Database
from ..database.job_statements import KINDS

# A scan takes a few milliseconds; or the server is on another continent.
LONG_SECONDS: Final = 0.1
# After a scan of the backfill, a pause of so many times its own duration.
PAUSE_TIMES: Final = 10.0
SHORTEST_SECONDS: Final = 0.25
# While claims begin at the start of the queue, nothing is left behind.
IDLE_SECONDS: Final = 1.0


class ClaimCursor:
    """The last position claimed of each kind. It counts only while ``is_ahead``."""

    def __init__(
        self, database: Database, clock: Clock, left_out: Callable[[], Collection[str]] = tuple[str, ...]
    ) -> None:
        """``left_out``: the functions whose jobs are not claimed."""
        self._database = database
        self._clock = clock
        self._left_out = left_out
        self._last: dict[str, QueuePosition] = {}
        self._next_full_scan = 0.0
        self.is_ahead = False
        """Whether claims begin at the cursor, and not at the start of the queue."""

    def start(self, kind: str) -> QueuePosition:
        """After which position to claim."""
        return self._starts().get(kind, START)

    def claimed(self, kind: str, claims: Sequence[Claim]) -> None:
        """These were claimed."""
        if claims:
            self._last[kind] = claims[-1].queue_position

    def next_dues(self) -> dict[str, datetime | None]:
        """When the first job of each kind is due that waits after the cursor. A scan that takes long moves it ahead."""
        starts, began = dict(self._starts()), time.monotonic()
        try:
            dues = self._scan(starts)
        except Exception:
            # The server has aborted a scan from the start. What comes from now on is found.
            if not starts and is_long(time.monotonic() - began):
                self.is_ahead = True
                for kind in KINDS:
                    self._last.setdefault(kind, QueuePosition(self._clock.now(), -1))
            raise
        if not starts and is_long(time.monotonic() - began):
            self.is_ahead, now = True, self._clock.now()
            for kind, due in dues.items():
                self._last[kind] = QueuePosition(min(due or now, now), -1)
        return dues

    def backfill(self, lateness: timedelta, on_found: Callable[[], None]) -> float:
        """Move the cursor back to what waits before it. How many seconds until the next round.

        Args:
            lateness: A job is due when its mutation began, and visible when that has committed, so much later.
            on_found: Called if something was found.
        """
        if not self.is_ahead:
            return IDLE_SECONDS
        if time.monotonic() >= self._next_full_scan:
            began = time.monotonic()
            try:
                self._move_back(self._scan({}), on_found)
                self.is_ahead = is_long(time.monotonic() - began)
            finally:  # also if it took so long that the server aborted it
                ended = time.monotonic()
                self._next_full_scan = ended + PAUSE_TIMES * (ended - began)
        began = time.monotonic()
        recent = {kind: QueuePosition(last.due_time - lateness, 0) for kind, last in tuple(self._last.items())}
        self._move_back(self._scan(recent), on_found)
        return max(SHORTEST_SECONDS, PAUSE_TIMES * (time.monotonic() - began))

    def _starts(self) -> Mapping[str, QueuePosition]:
        return self._last if self.is_ahead else {}

    def _scan(self, starts: Mapping[str, QueuePosition]) -> dict[str, datetime | None]:
        with self._database.read_internal(generic_plan=True) as connection:
            return jobs.next_due(connection, starts, self._left_out())

    def _move_back(self, dues: Mapping[str, datetime | None], on_found: Callable[[], None]) -> None:
        found = {kind: QueuePosition(due, -1) for kind, due in dues.items() if due is not None}
        earlier = {kind: position for kind, position in found.items() if position < self._last.get(kind, START)}
        self._last.update(earlier)
        if earlier:
            on_found()


def is_long(seconds: float) -> bool:
    """Whether a scan that took so long has stepped over many deleted rows."""
    return seconds > LONG_SECONDS
