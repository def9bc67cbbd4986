"""Up to where a worker has worked off the queue, for when it costs too much to begin at its beginning.

PostgreSQL keeps what was deleted for as long as the oldest transaction of anybody's may still look at it. While such a
transaction is open, who looks for what is due walks over everything that was due since. So once that takes long, claims
begin where the last one ended. ``Stragglers`` looks for what waits behind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from ..database.claim import START, Claim, QueuePosition
from ..database.job_statements import KINDS

# A look takes a few milliseconds; or the server is on another continent.
LONG_SECONDS: Final = 0.1


class ClaimCursor:
    """Where claims begin."""

    def __init__(self) -> None:
        self._last: dict[str, QueuePosition] = {}
        self.is_far = False

    @staticmethod
    def is_long(seconds: float) -> bool:
        """Whether a look that took so long has walked over much that is over."""
        return seconds > LONG_SECONDS

    def places(self) -> Mapping[str, QueuePosition]:
        """Behind which place to look now, for each kind."""
        return self._last if self.is_far else {}

    def place(self, kind: str) -> QueuePosition:
        return self.places().get(kind, START)

    def before(self, time: timedelta) -> Mapping[str, QueuePosition]:
        """The places of what was due so much earlier."""
        return {kind: QueuePosition(place.due_time - time, 0) for kind, place in tuple(self._last.items())}

    def looked(self, dues: Mapping[str, datetime | None], seconds: float, now: datetime) -> None:
        """A look from the beginning has taken so long, and found when the first of each kind is due."""
        self.is_far = self.is_long(seconds)
        if self.is_far:
            for kind, due in dues.items():
                self._last[kind] = QueuePosition(min(due or now, now), -1)

    def gave_up(self, now: datetime) -> None:
        """A look from the beginning has taken so long that the server broke it off. What comes from now on is found."""
        self.is_far = True
        for kind in KINDS:
            self._last.setdefault(kind, QueuePosition(now, -1))

    def claimed(self, kind: str, claims: Sequence[Claim]) -> None:
        """These were claimed."""
        if claims:
            self._last[kind] = claims[-1].place

    def go_back(self, dues: Mapping[str, datetime | None]) -> bool:
        """Let claims begin with what was found further back, if anything was. Whether it was."""
        has_gone = False
        for kind, due in dues.items():
            if due is not None and kind in self._last and QueuePosition(due, -1) < self._last[kind]:
                self._last[kind] = QueuePosition(due, -1)
                has_gone = True
        return has_gone
