"""Touch a file to tell others of something: at once, or together with more that follows within milliseconds."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from .file_watch import time_and_size

# So many commits of a busy process cost others one look, and itself one call of the system.
PAUSE_SECONDS: Final = 0.002


class Touches:
    """The first of a burst is given at once, the others as one by a thread, when a pause is over. None is forgotten."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changed = threading.Condition()
        self._given_at = float("-inf")
        self._left: tuple[int, int] | None = None
        self._is_owed = False
        self._is_closed = False
        self._thread: threading.Thread | None = None

    def give(self) -> None:
        """Touch the file now or very soon. Never waits, and never fails."""
        with self._changed:
            if self._is_owed:
                return
            if self._is_closed or self._pause() <= 0:
                self._touch()
                return
            self._is_owed = True
            self._changed.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._pay, name="convexpy-touches", daemon=True)
                self._thread.start()

    def was_last(self) -> bool:
        """Whether nobody seems to have touched the file after us. A drive's clock is coarse, so this may be wrong."""
        with self._changed:
            return self._left is not None and self._left == time_and_size(self._path)

    def close(self) -> None:
        """Give what is owed, and from now on everything at once."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _pay(self) -> None:
        with self._changed:
            while True:
                if self._is_owed and (self._is_closed or self._pause() <= 0):
                    self._touch()
                elif self._is_closed:
                    return
                else:
                    self._changed.wait(self._pause() if self._is_owed else None)

    def _pause(self) -> float:
        return self._given_at + PAUSE_SECONDS - time.monotonic()

    def _touch(self) -> None:
        self._is_owed = False
        self._given_at = time.monotonic()
        with suppress(OSError):
            touch(self._path)
            self._left = time_and_size(self._path)


def touch(path: Path) -> None:
    try:
        os.utime(path)
    except FileNotFoundError:
        path.touch()
