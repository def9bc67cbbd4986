"""Commits of other processes on the same file, noticed by a look at its write-ahead log: no query, no lock."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

PAUSE_SECONDS: Final = 0.05


class FileSignals:
    """Looks at the log's time and size, a few times a second."""

    def __init__(self, database: Path) -> None:
        self._log = database.with_name(f"{database.name}-wal")
        self._stopped = threading.Event()
        self._watcher: threading.Thread | None = None

    def send(self) -> None:
        """The file itself tells the others."""

    def watch(self, heard: Callable[[], None]) -> None:
        self._stopped.clear()
        self._watcher = threading.Thread(target=self._watch, args=(heard,), name="convexpy-commits", daemon=True)
        self._watcher.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._watcher is not None:
            self._watcher.join()
            self._watcher = None

    def close(self) -> None:
        self.stop()

    def _watch(self, heard: Callable[[], None]) -> None:
        seen = self._look()
        while not self._stopped.wait(PAUSE_SECONDS):
            now = self._look()
            if now != seen:
                seen = now
                heard()

    def _look(self) -> tuple[int, int] | None:
        try:
            stat = self._log.stat()
        except FileNotFoundError:
            return None
        return stat.st_mtime_ns, stat.st_size
