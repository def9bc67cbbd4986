"""A time without the database, in two lines of the log: many threads notice it, again and again."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from ..errors import text_of

logger = logging.getLogger("convexpy.database")

# So long without a failure, and it is over: connections that broke are noticed one by one.
QUIET_SECONDS: Final = 2.0


class Outage:
    """Of one process: whether the database fails just now."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._mutex = threading.Lock()
        self._began: float | None = None
        self._failed = 0.0
        """When it failed last."""

    def failed(self, work: str, error: BaseException) -> None:
        """The database failed. Only the first failure is a warning."""
        with self._mutex:
            is_first, now = self._began is None, self._monotonic()
            self._began = now if self._began is None else self._began
            self._failed = now
        text = text_of(error).strip().partition("\n")[0]
        if is_first:
            logger.warning("the database failed, and whatever needs it is tried again until it answers: %s", text)
        logger.debug("%s: %s", work, text)

    def answered(self) -> None:
        """The database did what it was asked for."""
        if self._began is None:
            return
        with self._mutex:
            now = self._monotonic()
            if self._began is None or now - self._failed < QUIET_SECONDS:
                return
            seconds, self._began = self._failed - self._began, None
        logger.warning("the database answers again; it failed for %.1f s", seconds)
