"""Signals that ask a process to stop."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import Final

SAME_REQUEST_SECONDS: Final = 0.5


def interrupt() -> None:
    raise KeyboardInterrupt


def stop_on_signals(
    stop: Callable[[], None] = interrupt, stop_at_once: Callable[[], None] = lambda: None
) -> Callable[[], bool]:
    """Stop on SIGINT or SIGTERM. Returns a function that tells whether a signal has come.

    The first signal calls ``stop``, by default a KeyboardInterrupt in the main thread; a later one ends the process at
    once. One that comes right after the first is the same request: `timeout`, `npm` and others pass on a signal that
    the terminal has already sent to the whole process group.
    """
    first: float | None = None

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal first
        if first is None:
            first = time.monotonic()
            stop()
        elif time.monotonic() - first > SAME_REQUEST_SECONDS:
            stop_at_once()
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    signal.signal(signal.SIGINT, handle)
    signal.signal(signal.SIGTERM, handle)
    return lambda: first is not None
