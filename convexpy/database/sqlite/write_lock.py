"""The write lock of a SQLite file: one writer at a time, first come first served, over threads and processes."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from pathlib import Path
from typing import IO, Final

from ...errors import DatabaseError
from ...fork import in_child
from ..errors import DatabaseGone

try:
    import fcntl
except ImportError:  # Windows: between processes, SQLite's own lock decides there
    fcntl = None  # type: ignore[assignment]

CHECKED_EVERY_SECONDS: Final = 1.0


class WriteLock:
    """A fair lock over the threads of a process and, through a file beside the database, a lock over processes.

    It is held over COMMIT and the checkpoint that may follow it: SQLite before 3.51.3 can corrupt a WAL database when
    one connection writes while another checkpoints.
    """

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(f"{database.name}.lock")
        self._file: IO[bytes] | None = None
        self._checked_at = 0.0
        self._begin()
        in_child.add(self._begin)

    def _begin(self) -> None:
        self._mutex = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._is_held = False
        self.close()  # in a child, what is open is the parent's: unlocking it would unlock the parent's

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
        pause = 0.0002
        while True:
            file = self._opened()
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    return False
                time.sleep(pause)
                pause = min(pause * 1.5, 0.005)
            else:
                if self._is_current(file):
                    return True
                self.close()

    def _opened(self) -> IO[bytes]:
        if self._file is None:
            try:
                self._file = self._path.open("ab")
            except FileNotFoundError as error:
                raise DatabaseGone(
                    f"the folder {self._path.parent} is gone: it was deleted, moved or renamed while this process used "
                    "a database in it. Put it back, or restart this process"
                ) from error
            except OSError as error:
                raise DatabaseError(
                    f"{self._path}: {error.strerror}. The file and its folder must be writable for this user"
                ) from error
            self._checked_at = time.monotonic()
        return self._file

    def _is_current(self, file: IO[bytes]) -> bool:
        """Whether other processes would lock the same file, looked at once a second. A deleted one excludes nothing."""
        now = time.monotonic()
        if now < self._checked_at + CHECKED_EVERY_SECONDS:
            return True
        self._checked_at = now
        try:
            return os.path.samestat(os.fstat(file.fileno()), os.stat(self._path))
        except FileNotFoundError:
            return False
