"""The server's time without a round trip: synchronized now and then, and continued by a clock that cannot be set."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ...clock import Clock

SELECT_TIME: Final = "SELECT clock_timestamp()"
FRESH_SECONDS: Final = 10.0
BOOT_TIME: Final[int | None] = getattr(time, "CLOCK_BOOTTIME", None)


class ServerClock(Clock):
    """Never ahead of the server's clock, however slow its answers are, so no job starts early.

    The clocks of the workers' machines are not used: they may be wrong by hours.
    """

    def __init__(self) -> None:
        # The server's time, and our steady clock when its answer came: one tuple, as other threads read it meanwhile.
        self._shown: tuple[datetime, float] | None = None

    def now(self) -> datetime:
        if self._shown is None:
            return super().now()
        shown, at = self._shown
        return shown + timedelta(seconds=steady() - at)

    def is_stale(self) -> bool:
        """Whether it is time to synchronize again."""
        return self._shown is None or steady() - self._shown[1] > FRESH_SECONDS

    def synchronize(self, driver: Any) -> None:
        """Read the server's clock over a connection that is in no transaction."""
        row = driver.execute(SELECT_TIME, prepare=False).fetchone()
        # The server read its clock before its answer came. Taken for the time of the answer, it is never ahead.
        self._shown = row[0].astimezone(UTC), steady()


def steady() -> float:
    """Seconds that also pass while the machine sleeps, and that cannot be set."""
    return time.clock_gettime(BOOT_TIME) if BOOT_TIME is not None else time.monotonic()
