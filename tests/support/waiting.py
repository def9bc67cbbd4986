"""Waiting for what other threads do: for a condition, never for a time that a loaded machine may exceed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

# So long a test waits for what happens at once on a machine without load.
PATIENCE_SECONDS = 60.0
# Time limits for handlers that hang. On a loaded machine a short one passes before a handler has come to its loop.
TIME_LIMITS = (0.1, 0.5, 2.5, 12.5)


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Look again and again until it is so."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    looked = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"not in time: {what}"
        looked.wait(0.005)


def hang_within_a_limit(attempt: Callable[[float], bool]) -> None:
    """Make an attempt with longer and longer time limits, until its handler comes as far as it has to."""
    assert any(attempt(seconds) for seconds in TIME_LIMITS), "its handler never came so far, or went wrong there"
