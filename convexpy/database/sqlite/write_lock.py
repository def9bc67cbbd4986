"""One writer at a time, in the order of asking: fair within a process, safe between processes."""

from __future__ import annotations

import threading
import time
from collections import deque
from pathlib import Path
from typing import IO

from ...errors import DatabaseError

try:
    import fcntl
except ImportError:  # Windows: SQLite's own lock decides between processes there
    fcntl = None  # type: ignore[assignment]


class WriteLock:
    """A first-come-first-served lock over threads and, through a file beside the database, over processes.

    The file lock spans COMMIT and the checkpoint that may follow it. SQLite before 3.51.3 can corrupt a WAL database
    when two connections write and checkpoint at the same moment; with this they never do.
    """

    def __init__(self, database: Path) -> None:
        self._mutex = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._taken = False
        self._path = database.with_name(f"{database.name}.lock")
        self._file: IO[bytes] | None = None

    def take(self, seconds: float) -> bool:
        """Wait for the turn. False if it did not come within so many seconds."""
        deadline = time.monotonic() + seconds
        if not self._take_in_process(deadline):
            return False
        try:
            taken = self._take_between_processes(deadline)
        except BaseException:
            self._pass_on()
            raise
        if not taken:
            self._pass_on()
        return taken

    def give(self) -> None:
        """Let the next one write."""
        if fcntl is not None and self._file is not None:
            fcntl.flock(self._file, fcntl.LOCK_UN)
        self._pass_on()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _take_in_process(self, deadline: float) -> bool:
        with self._mutex:
            if not self._taken:
                self._taken = True
                return True
            ours = threading.Event()
            self._waiting.append(ours)
        if ours.wait(max(0.0, deadline - time.monotonic())):
            return True
        with self._mutex:
            if ours.is_set():  # the turn came at the last moment: it is ours, and nobody else's
                return True
            self._waiting.remove(ours)
            return False

    def _pass_on(self) -> None:
        with self._mutex:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._taken = False

    def _take_between_processes(self, deadline: float) -> bool:
        if fcntl is None:
            return True
        if self._file is None:
            try:
                self._file = self._path.open("ab")
            except OSError as error:
                raise DatabaseError(
                    f"{self._path}: {error.strerror}. The file and its folder must be writable for this user"
                ) from error
        pause = 0.0002
        while True:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    return False
                time.sleep(pause)
                pause = min(pause * 1.5, 0.005)
            else:
                return True
