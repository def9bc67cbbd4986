"""The end of a server's process, which no thread of the app delays past the grace."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from contextlib import suppress
from typing import Final

from .logs import log

# What the exit functions of the app and of its libraries may take, and what idle threads need to end.
EXIT_SECONDS: Final = 1.0


def end_by(deadline: float) -> None:
    """End the process at this time of the monotonic clock, with exit code 0, if it has not ended by itself.

    At its end Python waits for every thread that is not a daemon, those of a ``ThreadPoolExecutor`` included, and some
    of them never end.
    """
    seconds = max(EXIT_SECONDS, deadline - time.monotonic())
    threading.Thread(target=end_after, args=(seconds,), name="convexpy-end", daemon=True).start()


def end_after(seconds: float) -> None:
    threading.Event().wait(seconds)
    leaving = threading.Thread(target=leave, daemon=True)
    leaving.start()
    leaving.join(EXIT_SECONDS)  # an exit function may wait for the same threads
    os._exit(0)


def leave() -> None:
    """What Python does at the end of a process besides waiting."""
    waited = (thread for thread in threading.enumerate() if not thread.daemon and thread is not threading.main_thread())
    names = ", ".join(thread.name for thread in waited) or "an exit function"
    log.warning("the grace is over, and this still runs: %s; the process ends without it", names)
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
