"""Touches of a file as the kernel of Linux tells them. Python knows no inotify, so the C library is asked itself."""

from __future__ import annotations

import os
import select
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

IN_ATTRIB: Final = 0x4
ROOM: Final = 65536


class InotifyWatch:
    """One file, made if it is not there.

    Raises:
        OSError: There is no inotify here, or no more of it for this user.
    """

    def __init__(self, path: Path) -> None:
        self._libc = c_library()
        self._path = path
        self._events = checked(self._libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK))
        self._woken, self._waker = os.pipe()
        self._poll = select.poll()
        for readable in (self._events, self._woken):
            self._poll.register(readable, select.POLLIN)
        try:
            self._arm()
        except BaseException:
            self.close()
            raise

    def wait(self, seconds: float | None) -> bool:
        ready = [readable for readable, _ in self._poll.poll(None if seconds is None else seconds * 1000)]
        if self._woken in ready:
            os.read(self._woken, ROOM)
        if self._events not in ready:
            return False
        os.read(self._events, ROOM)
        with suppress(OSError):  # the folder is gone, perhaps: then there is nothing left to be told of
            self._arm()
        return True

    def wake(self) -> None:
        os.write(self._waker, b"!")

    def close(self) -> None:
        for each in (self._events, self._woken, self._waker):
            os.close(each)

    def _arm(self) -> None:
        """Watch whatever has the name now: the touch may have been the end of the file that had it before."""
        os.close(os.open(self._path, os.O_CREAT | os.O_CLOEXEC, 0o666))
        checked(self._libc.inotify_add_watch(self._events, os.fsencode(self._path), IN_ATTRIB))


def c_library() -> Any:
    """What this process already has of the C library.

    Raises:
        OSError: It has no inotify.
    """
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "inotify_init1"):
        raise OSError("this C library has no inotify")
    return library


def checked(result: int) -> int:
    """What a function of the C library returned, or its error."""
    import ctypes

    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
