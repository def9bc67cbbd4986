"""Notifications between processes on one SQLite file: a commit touches the lock file beside it, and listeners watch it.

The write-ahead log changes at every commit too, but before the commit is visible.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from ...fork import in_child
from .file_watch import FileWatch, time_and_size, watch_file

# A busy process touches the file at most once in this time: one system call, and one wake-up of each listener.
PAUSE_SECONDS: Final = 0.002
OWN_TOUCH_SECONDS: Final = 0.05


class FileNotifier:
    """A listener is called for touches of its own process too, but late and coalesced: they may hide another's."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(f"{database.name}.lock")
        self._wal = database.with_name(f"{database.name}-wal")
        self._touches = _CoalescedTouches(self._path)
        self._stopped = threading.Event()
        self._watch: FileWatch | None = None
        self._listener: threading.Thread | None = None
        in_child.add(self._begin_in_child)

    def _begin_in_child(self) -> None:
        """The listener is a thread of the parent. Its files are closed here: reading them would take its events."""
        self._stopped = threading.Event()
        watch, self._watch, self._listener = self._watch, None, None
        if watch is not None:
            watch.close()

    def notify(self, driver: Any = None) -> None:
        self._touches.send()

    def listen(self, callback: Callable[[], None]) -> None:
        self._stopped.clear()
        self._watch = watch_file(self._path, self._wal)
        listener = threading.Thread(
            target=self._receive, args=(self._watch, callback), name="convexpy-listener", daemon=True
        )
        listener.start()
        self._listener = listener  # set after start(): if a signal handler interrupts it, stop() has nothing to join

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

    def _receive(self, watch: FileWatch, callback: Callable[[], None]) -> None:
        call_at: float | None = None  # after a touch that seems to be our own
        while not self._stopped.is_set():
            touched = watch.wait(None if call_at is None else max(0.0, call_at - time.monotonic()))
            if touched and self._touches.was_last():
                call_at = call_at or time.monotonic() + OWN_TOUCH_SECONDS
            elif touched or (call_at is not None and time.monotonic() >= call_at):
                call_at = None
                callback()


class _CoalescedTouches:
    """The first touch of a burst is sent at once, the rest as one after a pause, by a thread. None is lost."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_closed = False
        self._begin()
        in_child.add(self._begin)

    def _begin(self) -> None:
        self._changed = threading.Condition()
        self._sent_at = float("-inf")
        self._stat_when_sent: tuple[int, int] | None = None
        self._is_pending = False
        self._thread: threading.Thread | None = None

    def send(self) -> None:
        """Touch the file now, or after the pause. Never waits and never raises."""
        with self._changed:
            if self._is_pending:
                return
            if self._is_closed or self._pause() <= 0:
                self._execute()
                return
            self._is_pending = True
            self._changed.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._send_pending, name="convexpy-touches", daemon=True)
                self._thread.start()

    def was_last(self) -> bool:
        """Whether our touch seems to be the last. File times are coarse on some drives, so this may be wrong."""
        with self._changed:
            return self._stat_when_sent is not None and self._stat_when_sent == time_and_size(self._path)

    def close(self) -> None:
        """Send what is pending. Later touches are sent at once."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _send_pending(self) -> None:
        with self._changed:
            while True:
                if self._is_pending and (self._is_closed or self._pause() <= 0):
                    self._execute()
                elif self._is_closed:
                    return
                else:
                    self._changed.wait(self._pause() if self._is_pending else None)

    def _pause(self) -> float:
        return self._sent_at + PAUSE_SECONDS - time.monotonic()

    def _execute(self) -> None:
        self._is_pending = False
        self._sent_at = time.monotonic()
        with suppress(OSError):
            touch(self._path)
            self._stat_when_sent = time_and_size(self._path)


def touch(path: Path) -> None:
    try:
        os.utime(path)
    except FileNotFoundError:
        path.touch()
