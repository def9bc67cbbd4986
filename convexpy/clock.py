"""The clock, which tests replace."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class Clock:
    """The current time, and pauses."""

    def now(self) -> datetime:
        """The current time, aware, in UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Pause for this many seconds before a retry."""
        time.sleep(seconds)


def unix_milliseconds(when: datetime) -> int:
    """An aware time as whole milliseconds since 1970, the form that JSON carries."""
    return round(when.timestamp() * 1000)
