"""A process that has imported convexpy, and is forked for every process that a test starts.

To import takes half a second of the processor, a fork some milliseconds. The child runs a function of its own, with the
arguments, folder, environment and streams that it would be started with.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import select
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from socket import AF_UNIX, SOCK_SEQPACKET, recv_fds, send_fds, socket, socketpair
from subprocess import DEVNULL, Popen, TimeoutExpired
from typing import Any, TextIO

TESTS = Path(__file__).parents[1]
PRELOADED = (
    *("convexpy.app", "convexpy.cli.dev_server", "convexpy.project", "alembic.autogenerate", "alembic.command"),
    *("convexpy.cli.http_server", "convexpy.server.asgi", "sqlalchemy.dialects.postgresql.psycopg"),
    "psycopg",
)
LARGEST = 1 << 20
DESCRIPTORS = 4  # input, output, errors, and what its end is told on


class Forked:
    """One process: what tests use of a ``Popen``.

    Args:
        main: ``module:function``, what it runs.
        args: ``sys.argv`` after the name of the program.
        output: The descriptor of a file for all that it prints. By default, a pipe.
    """

    def __init__(
        self, main: str, args: Sequence[str], cwd: Path, env: dict[str, str], output: int | None = None
    ) -> None:
        self.stdout: TextIO | None = None
        with ExitStack() as closing:
            nothing = closing.enter_context(open(os.devnull, "rb"))
            if output is None:
                read_end, output = os.pipe()
                closing.callback(os.close, output)
                self.stdout = open(read_end, encoding="utf-8")  # noqa: SIM115
            self._end, ended = os.pipe()
            closing.callback(os.close, ended)
            request = json.dumps({"main": main, "args": args, "cwd": str(cwd), "env": env}).encode()
            send_fds(server(), [request], [nothing.fileno(), output, output, ended])
            self.pid = int(server().recv(LARGEST))
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code, minus the number of a signal that ended it; None as long as it runs."""
        with suppress(TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, waited for.

        Raises:
            TimeoutExpired: It runs after so many seconds.
        """
        if self.returncode is None:
            if not select.select([self._end], [], [], timeout)[0]:
                raise TimeoutExpired(f"pid {self.pid}", timeout or 0)
            self.returncode = int(os.read(self._end, LARGEST))
            os.close(self._end)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it has just ended, and its exit code is under way
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


@cache
def server() -> socket:
    """The connection to the process that is forked. It ends with this one."""
    ours, theirs = socketpair(AF_UNIX, SOCK_SEQPACKET)
    with theirs:
        command = [sys.executable, "-m", "support.fork_server", str(theirs.fileno())]
        path = os.pathsep.join(filter(None, [str(TESTS.parent), os.environ.get("PYTHONPATH")]))
        env = {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": ""}
        process = Popen(command, cwd=TESTS, env=env, pass_fds=[theirs.fileno()], stdin=DEVNULL)
    atexit.register(process.wait)
    atexit.register(ours.close)  # called first, and the process ends by it
    return ours


def next_command(connection: socket) -> dict[str, Any] | None:
    """Fork for every request, and report every end. Returns in a child, with what it shall run; None: all is over."""
    running: dict[int, int] = {}
    woken, wake = socketpair()
    for end in (woken, wake):
        end.setblocking(False)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        ready, _, _ = select.select([connection, woken], [], [])
        if woken in ready:
            woken.recv(LARGEST)
            report_ends(running)
        if connection not in ready:
            continue
        request, descriptors, _, _ = recv_fds(connection, LARGEST, DESCRIPTORS)
        if not request:
            return None
        *streams, ended = descriptors
        command: dict[str, Any] = json.loads(request)
        import_module(command["main"].partition(":")[0])
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for number, descriptor in enumerate(streams):
                os.dup2(descriptor, number)
            for each in (*descriptors, *running.values()):
                os.close(each)
            for end in (woken, wake, connection):
                end.close()
            return command
        running[pid] = ended
        for descriptor in streams:
            os.close(descriptor)
        connection.send(str(pid).encode())


def report_ends(running: dict[int, int]) -> None:
    """Tell what the exit codes of all children are that have ended."""
    with suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            ended = running.pop(pid)
            with suppress(BrokenPipeError):
                os.write(ended, str(os.waitstatus_to_exitcode(status)).encode())
            os.close(ended)


def become(command: dict[str, Any], path: list[str]) -> None:
    """Have the surroundings of a process that was started as ``python -m convexpy``."""
    os.environ.clear()
    os.environ.update(command["env"])
    os.chdir(command["cwd"])
    sys.path[:] = [command["cwd"], *path[1:]]
    sys.argv = ["convexpy", *command["args"]]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115


if __name__ == "__main__":
    path = sys.path.copy()
    for name in PRELOADED:
        import_module(name)
    gc.freeze()
    if command := next_command(socket(fileno=int(sys.argv[1]))):
        become(command, path)
        module, _, function = command["main"].partition(":")
        getattr(sys.modules[module], function)()
