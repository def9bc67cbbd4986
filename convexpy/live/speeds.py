"""How long functions take as live queries, and which of them run together."""

from __future__ import annotations

from enum import Enum
from typing import Final

from .live_call import REFUSED
from .subscription import Subscriber


class Speed(Enum):
    """What a group of subscriptions has in common: how slow the slowest query of each is."""

    UNKNOWN = "new"
    QUICK = "quick"
    SLOW = "slow"
    SLOWEST = "slowest"


LIMITS: Final = {Speed.QUICK: 0.03, Speed.SLOW: 1.0}
"""In seconds."""
MARGIN: Final = 0.5
"""A subscription goes to a quicker group only when it is so much below that group's limit."""


SHARE: Final = 0.2
"""Of the latest run, in what is known of a function."""


class FunctionSpeeds:
    """How long the runs of each function take, in seconds. Written and read by every group."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {REFUSED: 0.0}

    def note(self, name: str, seconds: float) -> None:
        """A function ran."""
        before = self._seconds.get(name, seconds)
        self._seconds[name] = before + SHARE * (seconds - before)

    def of(self, subscriber: Subscriber) -> float | None:
        """How long the slowest query of a subscriber takes. None: that is not known of each."""
        slowest = 0.0
        for name, call in subscriber.calls.items():
            query = subscriber.queries.get(name)
            seconds = query.seconds if query is not None else None
            if seconds is None:
                seconds = call.seconds
            if seconds is None:  # its function may have run for others
                seconds = self._seconds.get(call.name)
            if seconds is None:
                return None
            slowest = max(slowest, seconds)
        return slowest

    def unknown(self, subscriber: Subscriber) -> str:
        """The first function of a subscriber of which nothing is known. Another thread may just have run it."""
        names = [call.name for call in subscriber.calls.values()]
        return next((name for name in names if name not in self._seconds), names[0])

    def group_of(self, subscriber: Subscriber, current: Speed | None = None) -> Speed:
        """Where a subscriber belongs; it stays where it is if it is near a limit."""
        seconds = self.of(subscriber)
        if seconds is None:
            return Speed.UNKNOWN
        if current is Speed.SLOW and seconds > MARGIN * LIMITS[Speed.QUICK] and seconds <= LIMITS[Speed.SLOW]:
            return Speed.SLOW
        if current is Speed.SLOWEST and seconds > MARGIN * LIMITS[Speed.SLOW]:
            return Speed.SLOWEST
        return next((speed for speed, limit in LIMITS.items() if seconds <= limit), Speed.SLOWEST)
