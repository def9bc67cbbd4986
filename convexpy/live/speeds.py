"""How long functions take as live queries, and which of them run together."""

from __future__ import annotations

from enum import Enum
from typing import Final

from .subscription import Subscription


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
        self._seconds: dict[str, float] = {}

    def note(self, name: str, seconds: float) -> None:
        """A function ran."""
        before = self._seconds.get(name, seconds)
        self._seconds[name] = before + SHARE * (seconds - before)

    def of(self, subscription: Subscription) -> float | None:
        """How long the slowest query of a subscription takes. None: that is not known of each."""
        known = [query.seconds for query in subscription.queries.values() if query.seconds is not None]
        if len(known) == len(subscription.calls):
            subscription.seconds = max(known, default=0.0)
        elif subscription.seconds is None:  # its functions may have run for others
            others = [self._seconds.get(call.name) for call in subscription.calls.values()]
            return None if None in others else max(seconds for seconds in others if seconds is not None)
        return subscription.seconds

    def unknown(self, subscription: Subscription) -> str:
        """The first function of a subscription of which nothing is known. Another thread may just have run it."""
        names = [call.name for call in subscription.calls.values()]
        return next((name for name in names if name not in self._seconds), names[0])

    def group_of(self, subscription: Subscription, current: Speed | None = None) -> Speed:
        """Where a subscription belongs; it stays where it is if it is near a limit."""
        seconds = self.of(subscription)
        if seconds is None:
            return Speed.UNKNOWN
        if current is Speed.SLOW and seconds > MARGIN * LIMITS[Speed.QUICK] and seconds <= LIMITS[Speed.SLOW]:
            return Speed.SLOW
        if current is Speed.SLOWEST and seconds > MARGIN * LIMITS[Speed.SLOW]:
            return Speed.SLOWEST
        return next((speed for speed, limit in LIMITS.items() if seconds <= limit), Speed.SLOWEST)
