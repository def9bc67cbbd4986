"""A worker process that a supervisor started: its number, and the socket that connects the two.

The worker sends a byte when it runs. When the supervisor closes its end, or is gone, however it ended, the worker
stops as if by SIGTERM.
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
VARIABLE: Final = "_CONVEXPY_CHILD_PROCESS"  # no setting: those begin with CONVEXPY_


class ChildProcess:
    """This process, as one of several."""

    def __init__(self, number: int, connection: socket) -> None:
        self.number = number
        self._connection = connection

    def stop_with_parent(self, is_stopping: Callable[[], bool]) -> None:
        """From now on stop when the parent closes the connection or is gone."""
        name = "convexpy-parent"
        threading.Thread(target=self._wait_for_parent, args=(is_stopping,), name=name, daemon=True).start()

    def report_running(self) -> None:
        with suppress(OSError):  # the parent is gone, which the other thread is about to notice
            self._connection.sendall(b"!")

    def _wait_for_parent(self, is_stopping: Callable[[], bool]) -> None:
        with suppress(OSError):
            self._connection.recv(1)
        if not is_stopping():
            os.kill(os.getpid(), signal.SIGTERM)


def child_environment(number: int, connection: socket) -> dict[str, str]:
    """The environment of a worker process to be started, which inherits its end of the connection."""
    return {**os.environ, VARIABLE: f"{number}:{connection.fileno()}"}


def this_child_process() -> ChildProcess | None:
    """This process as one of several, or None. To be called once: processes that it starts are none of them."""
    number, _, descriptor = os.environ.pop(VARIABLE, "").partition(":")
    if not descriptor:
        return None
    connection = socket(fileno=int(descriptor))
    connection.set_inheritable(False)
    return ChildProcess(int(number), connection)
