"""The time, as an object that tests replace."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class Clock:
    """What time it is, and how to wait."""

    def now(self) -> datetime:
        """The current time, aware, in UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Wait for this many seconds before trying something again."""
        time.sleep(seconds)


def unix_milliseconds(when: datetime) -> int:
    """An aware time as whole milliseconds since 1970, the form that JSON carries."""
    return round(when.timestamp() * 1000)
