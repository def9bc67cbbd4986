"""A process that a supervisor started: its name, the socket that connects the two, and where it listens.

The process sends a byte when it runs. When the supervisor closes its end, or is gone, however it ended, the process
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

VARIABLE: Final = "_CONVEXPY_CHILD_PROCESS"  # no setting: those begin with CONVEXPY_


class ChildProcess:
    """This process, as one of several.

    Attributes:
        name: ``server``, ``server 2``, ``worker``, or only a number where all do the same.
        is_first: Whether it started before the others, to check for all what they would check alike.
        listener: The socket at which the clients of all servers connect, for a server process.
    """

    def __init__(self, name: str, is_first: bool, connection: socket, listener: socket | None) -> None:
        self.name = name
        self.is_first = is_first
        self.listener = listener
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


def child_environment(name: str, is_first: bool, connection: socket, listener: socket | None) -> dict[str, str]:
    """The environment of a process to be started, which inherits its end of the connection, and the listener."""
    descriptors = [str(connection.fileno()), *([str(listener.fileno())] if listener is not None else [])]
    return {**os.environ, VARIABLE: ":".join([name, "first" if is_first else "", *descriptors])}


def this_child_process() -> ChildProcess | None:
    """This process as one of several, or None. To be called once: processes that it starts are none of them."""
    given = os.environ.pop(VARIABLE, "")
    if not given:
        return None
    name, first, *descriptors = given.split(":")
    connection, *listeners = [socket(fileno=int(descriptor)) for descriptor in descriptors]
    for inherited in (connection, *listeners):
        inherited.set_inheritable(False)
    return ChildProcess(name, bool(first), connection, listeners[0] if listeners else None)
