"""Notices commits to a SQLite file by any process, at no cost for who commits.

inotify reports each write to the write-ahead log, which comes before the commit can be seen. So from then on
``PRAGMA data_version`` is asked, in growing intervals, until it changes: it tells that another connection has
committed. Without inotify, and for what it missed, it is asked now and then.

SQLite counts the commits in the header of the index of the write-ahead log. Each commit of convexpy is counted in its
tables too, as a row of the log or as one without a row. If SQLite counts more, another program has written, and what is
not known. ``data_version`` does not tell that: it changes as well when the write-ahead log starts anew.
"""

from __future__ import annotations

import logging
import os
import struct
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from ...fork import in_child
from ..live_reader import LOOK_SECONDS
from ..tables import commits, metadata_table
from .file_watch import FileWatch, InotifyWriteWatch, PollingWatch

UNLOGGED: Final = "unlogged_commits"
"""The key of the number of the framework's own commits that left no row in the log."""
PAUSE_SECONDS: Final = 0.001
PAUSES: Final = (0.0, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02)
"""Seconds between the looks after a write to the log."""
SELECT_COMMITS: Final = (
    f"SELECT (SELECT coalesce(max(position), 0) FROM {commits.name}), "
    f"(SELECT CAST(value AS INTEGER) FROM {metadata_table.name} WHERE key = '{UNLOGGED}')"
)
COUNTER: Final = struct.Struct("=8xI")
"""The beginning of the index: a version, four bytes of nothing, and the number of commits. The format is documented."""
logger = logging.getLogger("convexpy.database")
_descriptors: Final[dict[tuple[int, int], int]] = {}
"""Of the indexes that were opened, by device and inode."""


class Count(NamedTuple):
    """How many commits there have been, as SQLite counts them and as convexpy does."""

    of_sqlite: int
    of_convexpy: int

    def missed(self, before: Count) -> int:
        """How many commits convexpy does not know of since another count."""
        return (self.of_sqlite - before.of_sqlite - self.of_convexpy + before.of_convexpy) % 2**32


class LogWatch:
    """A thread that looks on a connection of its own."""

    def __init__(self, path: Path, connect: Callable[[], AbstractContextManager[Any]]) -> None:
        """``connect`` gives the driver's connection for a look, usually the same one."""
        self._wal = path.with_name(f"{path.name}-wal")
        self._index = path.with_name(f"{path.name}-shm")
        self._connect = connect
        self.foreign_writes = 0
        """How many commits another program has made. It only grows."""
        self._begin()
        in_child.add(self._begin_in_child)

    def _begin(self) -> None:
        self._stopped = threading.Event()
        # The connection of the latest look, and its data_version then: it only compares with itself.
        self._driver: Any = None
        self._version = 0
        self._count: Count | None = None
        self._watch: FileWatch | None = None
        self._thread: threading.Thread | None = None

    def _begin_in_child(self) -> None:
        """The thread is the parent's, and so are the events of its watch."""
        watch = self._watch
        self._begin()
        if watch is not None:
            watch.close()

    def start(self, wake: Callable[[], None], covered: Callable[[], int]) -> None:
        """Call ``wake`` when something was committed that may concern a reader.

        Args:
            wake: It must return at once.
            covered: The last row of the log that the reader knows.
        """
        self._look(wake, covered)  # the log exists from here on
        self._watch = watch_writes(self._wal)
        thread = threading.Thread(
            target=self._run, args=(self._watch, wake, covered), name="convexpy-live", daemon=True
        )
        thread.start()
        self._thread = thread

    def stop(self) -> None:
        """Call it no more."""
        self._stopped.set()
        if self._watch is not None and self._thread is not None:
            self._watch.wake()
            self._thread.join()
            self._watch.close()
            self._watch = self._thread = None

    def _run(self, watch: FileWatch, wake: Callable[[], None], covered: Callable[[], int]) -> None:
        while not self._stopped.is_set():
            try:
                if self._look(wake, covered):
                    self._stopped.wait(PAUSE_SECONDS)  # many commits share a look
                if watch.wait(LOOK_SECONDS):
                    self._look_again(wake, covered)
            except Exception as error:
                logger.debug("the commits of other processes could not be looked for: %s", error)
                wake()  # the reader finds out what is wrong
                self._stopped.wait(LOOK_SECONDS)

    def _look_again(self, wake: Callable[[], None], covered: Callable[[], int]) -> None:
        """Something was written to the log: wait until it is committed, for as long as that usually takes."""
        for pause in PAUSES:
            if self._stopped.wait(pause) or self._look(wake, covered):
                return

    def _look(self, wake: Callable[[], None], covered: Callable[[], int]) -> bool:
        """Whether another connection has committed since the last look."""
        with self._connect() as driver:
            version = version_of(driver)
            if driver is self._driver and version == self._version:
                return False
            is_first = driver is not self._driver
            self._driver, self._version = driver, version
            counted, known = self._count_in_file(), self.foreign_writes
            last, unlogged = driver.execute(SELECT_COMMITS).fetchone()
            if counted is None or counted != self._count_in_file():
                self._version = -1  # commits came in between: the next look counts
            else:
                count = Count(counted, last + (unlogged or 0))
                before, self._count = self._count or count, count
                self.foreign_writes += count.missed(before)
        if is_first or last > covered() or self.foreign_writes > known:
            wake()
        return True

    def _count_in_file(self) -> int | None:
        """SQLite's own count. None: there is no index, which is so until the first use."""
        try:
            return int(COUNTER.unpack(os.pread(descriptor_of(self._index), COUNTER.size, 0))[0])
        except (OSError, struct.error):
            return None


def descriptor_of(index: Path) -> int:
    """An open descriptor of the index, which is never closed.

    To close it would release SQLite's own locks on the file, for POSIX gives locks to a process and a file: without
    them a reader may see its snapshot torn, and other processes are refused.
    """
    found = index.stat()
    file = (found.st_dev, found.st_ino)
    if file not in _descriptors:
        descriptor = os.open(index, os.O_RDONLY | os.O_CLOEXEC)
        opened = os.fstat(descriptor)  # another file may have its name by now
        file = (opened.st_dev, opened.st_ino)
        _descriptors.setdefault(file, descriptor)
    return _descriptors[file]


def version_of(driver: Any) -> int:
    """It changes whenever another connection has committed."""
    return int(driver.execute("PRAGMA data_version").fetchone()[0])


def watch_writes(path: Path) -> FileWatch:
    """A watch on the writes to a file. A polling one where there is no inotify."""
    with suppress(OSError):
        return InotifyWriteWatch(path)
    return PollingWatch(path)
