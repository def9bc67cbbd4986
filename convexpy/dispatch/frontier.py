"""Up to where a worker has worked off the queue, for when it costs too much to begin at its beginning.

PostgreSQL keeps what was deleted for as long as the oldest transaction of anybody's may still look at it. While such a
transaction is open, who looks for what is due walks over everything that was due since. So once that takes long, claims
begin where the last one ended, and only now and then where the queue does. What was given back, or was committed late,
waits there for as long.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from ..database.claim import START, Claim, Place

# A look that takes longer than this has walked over much that is over; or the server is on another continent.
LONG_SECONDS: Final = 0.1
# How many times as long as such a look takes there is none again.
PAUSE_TIMES: Final = 10.0


class Frontier:
    """Where claims begin."""

    def __init__(self) -> None:
        self._last: dict[str, Place] = {}
        self._until = 0.0

    def seconds(self) -> float:
        """For how long claims do not begin where the queue does. 0: they do."""
        return max(0.0, self._until - time.monotonic())

    def places(self) -> Mapping[str, Place]:
        """Behind which place to look now, for each kind."""
        return self._last if self.seconds() else {}

    def place(self, kind: str) -> Place:
        return self.places().get(kind, START)

    def looked(self, places: Mapping[str, Place], dues: Mapping[str, datetime | None], seconds: float) -> None:
        """A look behind these places has taken so long, and found when the first of each kind is due."""
        if places or seconds <= LONG_SECONDS:
            return
        self._until = time.monotonic() + PAUSE_TIMES * seconds
        for kind, due in dues.items():
            if due is not None:
                self._last[kind] = Place(due, -1)

    def claimed(self, kind: str, claims: Sequence[Claim]) -> None:
        """These were claimed."""
        if claims:
            self._last[kind] = claims[-1].place
