"""The server's time, known without asking: measured now and then, and carried on by a clock that nobody sets."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ...clock import Clock

ASK: Final = "SELECT clock_timestamp()"
FRESH_SECONDS: Final = 10.0


class ServerClock(Clock):
    """What the server's clock shows, and never more: so nothing is early by it, however slow the answer was.

    The clocks of the machines that workers run on play no part; they may be wrong by hours.
    """

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._shown: datetime | None = None
        self._at = 0.0

    def now(self) -> datetime:
        with self._mutex:
            if self._shown is None:
                return super().now()
            return self._shown + timedelta(seconds=steady() - self._at)

    def is_stale(self) -> bool:
        """Whether it is time to look at the server's clock again."""
        return self._shown is None or steady() - self._at > FRESH_SECONDS

    def look(self, driver: Any) -> None:
        """Read the server's clock over a connection that is in no transaction."""
        row = driver.execute(ASK, prepare=False).fetchone()
        with self._mutex:
            # The answer was true some time before it came. Until it was asked for again, that is the most we know.
            self._shown, self._at = row[0].astimezone(UTC), steady()


def steady() -> float:
    """Seconds that pass while the machine sleeps, too, and that no one can set back."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()
