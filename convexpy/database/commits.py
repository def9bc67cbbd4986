"""Tell listeners that something was committed, here and in other processes. A hint: the tables are the truth."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class CommitFeed:
    """Commits of this process reach every listener at once; those of others are noticed by looking."""

    def __init__(self, changes: Callable[[], Any], pause_seconds: float = 0.05) -> None:
        self._changes = changes
        self._pause_seconds = pause_seconds
        self._listeners: list[Callable[[], None]] = []
        self._stopped = threading.Event()
        self._watcher: threading.Thread | None = None

    def listen(self, listener: Callable[[], None]) -> None:
        """Call this after every commit that scheduled something or freed room. It must return at once."""
        self._listeners.append(listener)

    def forget(self, listener: Callable[[], None]) -> None:
        """Call it no more."""
        self._listeners.remove(listener)

    def announce(self) -> None:
        """A transaction of this process was committed."""
        for listener in tuple(self._listeners):
            listener()

    def watch(self) -> None:
        """Begin to notice the commits of other processes."""
        self._stopped.clear()
        self._watcher = threading.Thread(target=self._watch, name="convexpy-commits", daemon=True)
        self._watcher.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._watcher is not None:
            self._watcher.join()
            self._watcher = None

    def _watch(self) -> None:
        seen = self._changes()
        while not self._stopped.wait(self._pause_seconds):
            now = self._changes()
            if now != seen:
                seen = now
                self.announce()
