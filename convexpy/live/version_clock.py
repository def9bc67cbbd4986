"""``VersionClock``: numbers that say of a snapshot and a commit of this process which of them came first."""

from __future__ import annotations

import threading
import time
from typing import Final

MOST_AHEAD: Final = 5_000_000_000
"""How far ahead of this machine's clock another process may be, in nanoseconds."""


class VersionClock:
    """Nanoseconds since 1970, each number larger than all before.

    A snapshot's number is drawn before it is opened, a commit's after its COMMIT has returned. So a snapshot with a
    larger number than a commit contains what the commit wrote. Processes need not agree: a client brings the largest
    number that it has seen.
    """

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._last = 0

    def next(self) -> int:
        """A number that is larger than all before. From any thread."""
        with self._mutex:
            self._last = max(self._last + 1, time.time_ns())
            return self._last

    def pass_by(self, seen: int) -> bool:
        """Let all later numbers be larger than one of another process. False: it is too far ahead to be a time."""
        if seen > time.time_ns() + MOST_AHEAD:
            return False
        with self._mutex:
            self._last = max(self._last, seen)
        return True

    def begin_in_child(self) -> None:
        """In a child, where nobody else may hold the lock."""
        self._mutex = threading.Lock()
