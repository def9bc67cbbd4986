"""A machine whose clock is wrong: everything in this process that asks for the time of day is told another."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, tzinfo

from convexpy import clock

true_time, true_time_ns = time.time, time.time_ns


class WrongClock:
    """Moves the time of day of this process. Clocks that only count seconds go on as they are."""

    def __init__(self) -> None:
        self.ahead = 0.0
        ours = self

        class Moved(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
                return datetime.fromtimestamp(true_time(), tz) + timedelta(seconds=ours.ahead)

        clock.datetime = Moved  # type: ignore[misc]
        time.time = lambda: true_time() + ours.ahead
        time.time_ns = lambda: true_time_ns() + round(ours.ahead * 1e9)
