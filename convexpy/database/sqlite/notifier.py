"""Commits of other processes on the same file: whoever commits touches the lock file beside it, and all watch that.

The write-ahead log would tell of every commit, but it is written before the commit can be seen.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from .file_watch import FileWatch, watch_file
from .touches import Touches

DOUBT_SECONDS: Final = 0.05


class FileNotifier:
    """A process hears its own touches too, but late and many as one: it knows of them, and may mistake another's."""

    def __init__(self, database: Path) -> None:
        self._lock = database.with_name(f"{database.name}.lock")
        self._log = database.with_name(f"{database.name}-wal")
        self._touches = Touches(self._lock)
        self._stopped = threading.Event()
        self._watch: FileWatch | None = None
        self._listener: threading.Thread | None = None

    def send(self, driver: Any = None) -> None:
        self._touches.give()

    def watch(self, heard: Callable[[], None]) -> None:
        self._stopped.clear()
        self._watch = watch_file(self._lock, self._log)
        listener = threading.Thread(
            target=self._listen, args=(self._watch, heard), name="convexpy-commits", daemon=True
        )
        listener.start()
        self._listener = listener  # a signal may strike in between, and then there is nothing to wait for

    def stop(self) -> None:
        self._stopped.set()
        if self._watch is not None and self._listener is not None:
            self._watch.wake()
            self._listener.join()
            self._watch.close()
            self._watch = self._listener = None

    def close(self) -> None:
        self.stop()
        self._touches.close()

    def _listen(self, watch: FileWatch, heard: Callable[[], None]) -> None:
        doubt_ends: float | None = None
        while not self._stopped.is_set():
            touched = watch.wait(None if doubt_ends is None else max(0.0, doubt_ends - time.monotonic()))
            if touched and self._touches.was_last():
                doubt_ends = doubt_ends or time.monotonic() + DOUBT_SECONDS
            elif touched or (doubt_ends is not None and time.monotonic() >= doubt_ends):
                doubt_ends = None
                heard()
