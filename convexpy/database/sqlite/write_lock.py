"""The write lock of a SQLite file: one writer at a time, first come first served, over threads and processes."""

from __future__ import annotations

import threading
import time
from collections import deque
from pathlib import Path
from typing import IO

from ...errors import DatabaseError

try:
    import fcntl
except ImportError:  # Windows: between processes, SQLite's own lock decides there
    fcntl = None  # type: ignore[assignment]


class WriteLock:
    """A fair lock over the threads of a process and, through a file beside the database, a lock over processes.

    It is held over COMMIT and the checkpoint that may follow it: SQLite before 3.51.3 can corrupt a WAL database when
    one connection writes while another checkpoints.
    """

    def __init__(self, database: Path) -> None:
        self._mutex = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._is_held = False
        self._path = database.with_name(f"{database.name}.lock")
        self._file: IO[bytes] | None = None

    def acquire(self, seconds: float) -> bool:
        """Wait for the lock. False after ``seconds``."""
        deadline = time.monotonic() + seconds
        if not self._acquire_in_process(deadline):
            return False
        try:
            acquired = self._acquire_between_processes(deadline)
        except BaseException:
            self._release_in_process()
            raise
        if not acquired:
            self._release_in_process()
        return acquired

    def release(self) -> None:
        if fcntl is not None and self._file is not None:
            fcntl.flock(self._file, fcntl.LOCK_UN)
        self._release_in_process()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _acquire_in_process(self, deadline: float) -> bool:
        with self._mutex:
            if not self._is_held:
                self._is_held = True
                return True
            handed_over = threading.Event()
            self._waiting.append(handed_over)
        if handed_over.wait(max(0.0, deadline - time.monotonic())):
            return True
        with self._mutex:
            if handed_over.is_set():  # at the last moment: the lock is ours
                return True
            self._waiting.remove(handed_over)
            return False

    def _release_in_process(self) -> None:
        with self._mutex:
            if self._waiting:
                self._waiting.popleft().set()  # handed over: it stays held
            else:
                self._is_held = False

    def _acquire_between_processes(self, deadline: float) -> bool:
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
