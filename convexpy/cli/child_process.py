"""What a worker knows that was started as one of several: its number, and the line to the process that started it.

The line is a socket. The worker says on it that it runs; when it ends, because the other closed it or is gone, however
that died, the worker stops as if it had been told to by a signal.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from socket import socket
from typing import Final

FIRST: Final = 1
VARIABLE: Final = "_CONVEXPY_MEMBER"  # no setting: those begin with CONVEXPY_


class Member:
    """This process, as one of several."""

    def __init__(self, number: int, line: socket) -> None:
        self.number = number
        self._line = line

    def stop_with_parent(self, is_over: Callable[[], bool]) -> None:
        """From now on stop when the line ends, unless we do so already."""
        threading.Thread(target=self._listen, args=(is_over,), name="convexpy-line", daemon=True).start()

    def says_it_runs(self) -> None:
        with suppress(OSError):  # the parent is gone; we will hear of that in a moment
            self._line.sendall(b"!")

    def _listen(self, is_over: Callable[[], bool]) -> None:
        with suppress(OSError):
            self._line.recv(1)
        if not is_over():
            os.kill(os.getpid(), signal.SIGTERM)


def environment(number: int, line: socket) -> dict[str, str]:
    """The environment of a worker to be started, which inherits its end of the line."""
    return {**os.environ, VARIABLE: f"{number}:{line.fileno()}"}


def myself() -> Member | None:
    """Whether this process is one of several. Asked once: what it starts itself is not."""
    number, _, descriptor = os.environ.pop(VARIABLE, "").partition(":")
    if not descriptor:
        return None
    line = socket(fileno=int(descriptor))
    line.set_inheritable(False)
    return Member(int(number), line)
