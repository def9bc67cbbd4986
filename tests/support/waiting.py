"""Waiting for what other threads do: for a condition, never for a time that a loaded machine may exceed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

# So long a test waits for what happens at once on a machine without load.
PATIENCE_SECONDS = 60.0


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Look again and again until it is so."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    looked = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"not in time: {what}"
        looked.wait(0.005)
