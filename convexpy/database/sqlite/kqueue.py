"""Touches of a file as the kernel of macOS tells them."""

from __future__ import annotations

import os
import select
import sys
from pathlib import Path

if sys.platform == "darwin":

    class KqueueWatch:
        """One file, made if it is not there.

        Raises:
            OSError: It cannot be watched.
        """

        def __init__(self, path: Path) -> None:
            self._file = os.open(path, os.O_CREAT | os.O_EVTONLY, 0o666)
            self._woken, self._waker = os.pipe()
            self._queue = select.kqueue()
            add = select.KQ_EV_ADD | select.KQ_EV_CLEAR
            touches = select.kevent(self._file, select.KQ_FILTER_VNODE, add, select.KQ_NOTE_ATTRIB)
            wakes = select.kevent(self._woken, select.KQ_FILTER_READ, select.KQ_EV_ADD)
            self._queue.control([touches, wakes], 0)

        def wait(self, seconds: float | None) -> bool:
            ready = [event.ident for event in self._queue.control(None, 2, seconds)]
            if self._woken in ready:
                os.read(self._woken, 1024)
            return self._file in ready

        def wake(self) -> None:
            os.write(self._waker, b"!")

        def close(self) -> None:
            self._queue.close()
            for each in (self._file, self._woken, self._waker):
                os.close(each)
