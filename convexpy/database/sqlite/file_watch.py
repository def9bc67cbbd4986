"""Wait until a file is touched: by inotify on Linux, by polling where there is none."""

from __future__ import annotations

import ctypes
import os
import select
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Protocol

POLL_SECONDS: Final = 0.05
PROBE_SECONDS: Final = 1.0
IN_MODIFY: Final = 0x2
IN_ATTRIB: Final = 0x4
READ_BYTES: Final = 65536


class FileWatch(Protocol):
    """A watch on one file, for one waiting thread."""

    def wait(self, seconds: float | None) -> bool:
        """Wait for a touch since the last call. False after a timeout or ``wake()``."""
        ...

    def wake(self) -> None:
        """Make ``wait()`` return, from any thread."""
        ...

    def close(self) -> None:
        """Release the watch. No thread may be in ``wait()``."""
        ...


def watch_file(path: Path, *polled: Path) -> FileWatch:
    """Watch a file. A polling watch also reports changes of the files ``polled``."""
    try:
        return probed(InotifyWatch(path), path)
    except OSError:
        return PollingWatch(path, *polled)


def probed(watch: FileWatch, path: Path) -> FileWatch:
    """The same watch, if it reports a touch. Some drives and sandboxes accept a watch and never report anything."""
    try:
        os.utime(path)
        if not watch.wait(PROBE_SECONDS):
            raise OSError("a touch was not reported")
    except BaseException:
        watch.close()
        raise
    return watch


class InotifyWatch:
    """One file, created if it does not exist. Python has no inotify, so the C library is called directly.

    Raises:
        OSError: There is no inotify, or this user has no instances left.
    """

    def __init__(self, path: Path) -> None:
        self._libc = c_library()
        self._path = path
        self._events = checked(self._libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK))
        self._wake_reader, self._wake_writer = os.pipe()
        self._poll = select.poll()
        for readable in (self._events, self._wake_reader):
            self._poll.register(readable, select.POLLIN)
        try:
            self._add_watch()
        except BaseException:
            self.close()
            raise

    def wait(self, seconds: float | None) -> bool:
        ready = [readable for readable, _ in self._poll.poll(None if seconds is None else seconds * 1000)]
        if self._wake_reader in ready:
            os.read(self._wake_reader, READ_BYTES)
        if self._events not in ready:
            return False
        os.read(self._events, READ_BYTES)
        with suppress(OSError):  # the folder may be gone: then no more events come
            self._add_watch()
        return True

    def wake(self) -> None:
        os.write(self._wake_writer, b"!")

    def close(self) -> None:
        for descriptor in (self._events, self._wake_reader, self._wake_writer):
            os.close(descriptor)

    def _add_watch(self) -> None:
        """Watch the file that has the name now: the event may have been the removal of the file before it."""
        os.close(os.open(self._path, os.O_CREAT | os.O_CLOEXEC, 0o666))
        checked(self._libc.inotify_add_watch(self._events, os.fsencode(self._path), IN_ATTRIB))


class InotifyWriteWatch(InotifyWatch):
    """Waits for writes to a file that exists. If another one gets its name, it is watched a moment later.

    Raises:
        OSError: There is no such file, no inotify, or this user has no instances left.
    """

    def wait(self, seconds: float | None) -> bool:
        with suppress(OSError):
            self._add_watch()
        return super().wait(seconds)

    def _add_watch(self) -> None:
        checked(self._libc.inotify_add_watch(self._events, os.fsencode(self._path), IN_MODIFY))


def c_library() -> Any:
    """The C library that this process has loaded.

    Raises:
        OSError: It has no inotify.
    """
    library = ctypes.CDLL(None, use_errno=True) if os.name == "posix" else None
    if not hasattr(library, "inotify_init1"):
        raise OSError("this C library has no inotify")
    return library


def checked(result: int) -> int:
    """The result of a C function. -1 becomes its ``OSError``."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


class PollingWatch:
    """Compares the times and sizes of its files, 20 times a second."""

    def __init__(self, *paths: Path) -> None:
        self._paths = paths
        self._woken = threading.Event()
        self._seen = self._stat()

    def wait(self, seconds: float | None) -> bool:
        deadline = None if seconds is None else time.monotonic() + seconds
        while not self._woken.wait(POLL_SECONDS):
            now = self._stat()
            if now != self._seen:
                self._seen = now
                return True
            if deadline is not None and time.monotonic() >= deadline:
                return False
        self._woken.clear()
        return False

    def wake(self) -> None:
        self._woken.set()

    def close(self) -> None:
        return

    def _stat(self) -> list[tuple[int, int] | None]:
        return [time_and_size(path) for path in self._paths]


def time_and_size(path: Path) -> tuple[int, int] | None:
    """Modification time in nanoseconds and size in bytes. None if the file does not exist."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size
