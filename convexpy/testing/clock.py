"""A clock that stands still until a test moves it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

from ..clock import Clock


class VirtualClock(Clock):
    """Time that passes only when it is moved. Waiting takes none."""

    def __init__(self, start: datetime | None = None) -> None:
        self._mutex = threading.Lock()
        self._now = (start or datetime.now(UTC).replace(microsecond=0)).astimezone(UTC)

    def now(self) -> datetime:
        with self._mutex:
            return self._now

    def sleep(self, seconds: float) -> None:
        return

    def move_to(self, moment: datetime) -> None:
        """Go to a later moment; an earlier one changes nothing."""
        with self._mutex:
            self._now = max(self._now, moment)
