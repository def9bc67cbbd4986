"""Wait until a file is touched: woken by the system where it can, by looking again and again where it cannot."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from typing import Final, Protocol

from . import inotify, kqueue

PAUSE_SECONDS: Final = 0.05
PROOF_SECONDS: Final = 1.0


class FileWatch(Protocol):
    """One file, and one thread that waits."""

    def wait(self, seconds: float | None) -> bool:
        """Wait until the file was touched since the last time. False if the time is over, or somebody woke us."""
        ...

    def wake(self) -> None:
        """Let the one who waits go on now."""
        ...

    def close(self) -> None:
        """Watch no more. Nobody may be waiting."""
        ...


def watch_file(path: Path, *besides: Path) -> FileWatch:
    """Watch a file. Where one has to look, changes of the files ``besides`` count as well."""
    try:
        return proved(system_watch(path), path)
    except OSError:
        return PollingWatch(path, *besides)


def system_watch(path: Path) -> FileWatch:
    """A watch that costs nothing while nothing happens.

    Raises:
        OSError: There is none here, or no more of them for this user.
    """
    if sys.platform == "linux":
        return inotify.InotifyWatch(path)
    if sys.platform == "darwin":
        return kqueue.KqueueWatch(path)
    raise OSError("this system tells nobody of touches")


def proved(watch: FileWatch, path: Path) -> FileWatch:
    """The same watch, once it has noticed a touch. Some drives and sandboxes accept it, and then never say a word."""
    try:
        os.utime(path)
        if not watch.wait(PROOF_SECONDS):
            raise OSError("a touch was not noticed")
    except BaseException:
        watch.close()
        raise
    return watch


class PollingWatch:
    """Looks at the times of its files, several times a second."""

    def __init__(self, *paths: Path) -> None:
        self._paths = paths
        self._woken = threading.Event()
        self._seen = self._look()

    def wait(self, seconds: float | None) -> bool:
        until = None if seconds is None else time.monotonic() + seconds
        while not self._woken.wait(PAUSE_SECONDS):
            now = self._look()
            if now != self._seen:
                self._seen = now
                return True
            if until is not None and time.monotonic() >= until:
                return False
        self._woken.clear()
        return False

    def wake(self) -> None:
        self._woken.set()

    def close(self) -> None:
        return

    def _look(self) -> list[tuple[int, int] | None]:
        return [time_and_size(path) for path in self._paths]


def time_and_size(path: Path) -> tuple[int, int] | None:
    """When a file was changed or touched last, and its size. None if it is not there."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size
