"""The server's time, known without asking: measured now and then, and carried on by a clock that nobody sets."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ...clock import Clock

ASK: Final = "SELECT clock_timestamp()"
FRESH_SECONDS: Final = 10.0
BOOT_TIME: Final[int | None] = getattr(time, "CLOCK_BOOTTIME", None)


class ServerClock(Clock):
    """What the server's clock shows, and never more: so nothing is early by it, however slow the answer was.

    The clocks of the machines that workers run on play no part; they may be wrong by hours.
    """

    def __init__(self) -> None:
        # What it showed, and when that was by our own: one value, as other threads read it meanwhile.
        self._shown: tuple[datetime, float] | None = None

    def now(self) -> datetime:
        if self._shown is None:
            return super().now()
        shown, at = self._shown
        return shown + timedelta(seconds=steady() - at)

    def is_stale(self) -> bool:
        """Whether it is time to look at the server's clock again."""
        return self._shown is None or steady() - self._shown[1] > FRESH_SECONDS

    def look(self, driver: Any) -> None:
        """Read the server's clock over a connection that is in no transaction."""
        row = driver.execute(ASK, prepare=False).fetchone()
        # The answer was true some time before it came. Until it was asked for again, that is the most we know.
        self._shown = row[0].astimezone(UTC), steady()


def steady() -> float:
    """Seconds that pass while the machine sleeps, too, and that no one can set back."""
    return time.clock_gettime(BOOT_TIME) if BOOT_TIME is not None else time.monotonic()
