"""``convexpy start`` and ``convexpy worker --processes``: one process that starts others, restarts and stops them."""

from __future__ import annotations

import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from socket import socket, socketpair
from typing import Final

from .child_process import child_environment
from .failure import PROBLEM
from .logs import log

POLL_SECONDS: Final = 1.0
FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 30.0
# A process that ran for this long can run at all: its pauses start from the first again.
HEALTHY_SECONDS: Final = 60.0
# What a process may need besides its grace. Less than what docs/deployment.md gives the service.
EXIT_SECONDS: Final = 15.0


@dataclass(frozen=True, slots=True)
class Role:
    """What a process is there for: its name in the log, the command that starts it, and where it listens."""

    name: str
    command: Sequence[str]
    listener: socket | None = None


class SupervisedProcess:
    """One process, from its start to its end."""

    def __init__(self, role: Role, *, is_first: bool) -> None:
        self.connection, theirs = socketpair()
        inherited = [theirs, *([role.listener] if role.listener is not None else [])]
        with theirs:
            try:
                self._process = subprocess.Popen(
                    role.command,
                    env=child_environment(role.name, is_first, theirs, role.listener),
                    pass_fds=[each.fileno() for each in inherited],
                    process_group=0,  # Ctrl-C reaches the supervisor alone, which passes it on once
                )
            except BaseException:
                self.connection.close()
                raise
        self._started = time.monotonic()
        self.is_running = False

    @property
    def pid(self) -> int:
        return self._process.pid

    def receive(self) -> None:
        """Read the connection: a byte means that it runs, its end that the process ends."""
        if self.connection.recv(1):
            self.is_running = True
        else:
            self.wait(POLL_SECONDS)

    def exit_code(self) -> int | None:
        return self._process.poll()

    def describe_exit(self) -> str:
        """``exit code 3``, ``SIGKILL``."""
        code = self._process.returncode
        return f"exit code {code}" if code >= 0 else signal.Signals(-code).name

    def age(self) -> float:
        """Seconds since its start."""
        return time.monotonic() - self._started

    def wait(self, seconds: float) -> bool:
        """Whether it has ended within so many seconds."""
        try:
            self._process.wait(max(0.0, seconds))
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        self._process.kill()


class ProcessSlot:
    """One of the supervisor's slots: it holds a process, or waits for the time to start the next one."""

    def __init__(self, role: Role, *, is_first: bool = False) -> None:
        self.role = role
        self._is_first = is_first
        self._failures = 0
        self._start_time = float("-inf")
        self.process: SupervisedProcess | None = None

    def tick(self) -> None:
        """Notice that the process has ended, and start another one when it is time."""
        if self.process is not None and self.process.exit_code() is not None:
            self._remove(self.process)
        if self.process is None and time.monotonic() >= self._start_time:
            self._start()

    def _start(self) -> None:
        try:
            self.process = SupervisedProcess(self.role, is_first=self._is_first)
        except OSError as error:
            pause = self._back_off()
            log.warning("process %s cannot be started: %s; next attempt in %g s", self.role.name, error.strerror, pause)
            return
        if self._failures:
            log.info("process %s restarted, pid %d", self.role.name, self.process.pid)

    def _remove(self, process: SupervisedProcess) -> None:
        if process.age() >= HEALTHY_SECONDS:
            self._failures = 0
        pause, how = self._back_off(), process.describe_exit()
        process.connection.close()
        self.process = None
        log.warning("process %s, pid %d, ended: %s; restart in %g s", self.role.name, process.pid, how, pause)

    def _back_off(self) -> float:
        pause = min(FIRST_PAUSE_SECONDS * (1 << min(self._failures, 10)), LONGEST_PAUSE_SECONDS)
        self._failures += 1
        self._start_time = time.monotonic() + pause
        return pause


class Supervisor:
    """Keeps processes running. The first starts alone, so that an app or database that fails is reported once."""

    def __init__(self, roles: Sequence[Role], grace: float) -> None:
        self._slots = [ProcessSlot(role, is_first=role is roles[0]) for role in roles]
        self._grace = grace
        self._is_stopping = False
        self._has_reported = False
        self._wakeup, self._wake = socketpair()

    def run(self) -> int:
        """Keep the processes running until asked to stop. The exit code."""
        try:
            code = self._start_first()
            if code is not None:
                return code
            while not self._is_stopping:
                for slot in self._slots:
                    slot.tick()
                self._report_running()
                self._wait()
            log.info("stopping: what runs may finish")
            return 0
        finally:
            self._stop()

    def request_stop(self) -> None:
        """Stop soon. Signal handlers call this."""
        self._is_stopping = True
        with suppress(OSError):  # it has stopped already
            self._wake.send(b"!")

    def kill(self) -> None:
        """Kill every process."""
        for process in self._processes():
            process.kill()

    def _start_first(self) -> int | None:
        """Start the first and wait until it runs. Otherwise the exit code: it has printed itself what failed."""
        slot = self._slots[0]
        slot.tick()
        if slot.process is None:
            return PROBLEM
        while not (slot.process.is_running or self._is_stopping):
            self._wait()
            code = slot.process.exit_code()
            if code is not None and not self._is_stopping:
                if code < 0:
                    log.error("the first process ended before it ran: %s", slot.process.describe_exit())
                return code if code >= 0 else PROBLEM
        return None

    def _report_running(self) -> None:
        if not self._has_reported and all(slot.process and slot.process.is_running for slot in self._slots):
            self._has_reported = True
            log.info("running %s", self._description())

    def _description(self) -> str:
        """``2 worker processes: 123, 124``, ``2 processes: server 123, worker 124``."""
        are_alike = all(slot.role.name.isdigit() for slot in self._slots)
        pids = [str(process.pid) for process in self._processes()]
        if are_alike:
            return f"{len(pids)} worker processes: {', '.join(pids)}"
        named = [f"{slot.role.name} {pid}" for slot, pid in zip(self._slots, pids, strict=True)]
        return f"{len(pids)} processes: {', '.join(named)}"

    def _wait(self) -> None:
        """Wait for a process's byte, a process's end or a signal. Not for long: a restart may be due."""
        connected: dict[socket, SupervisedProcess] = {process.connection: process for process in self._processes()}
        ready, _, _ = select.select([self._wakeup, *connected], [], [], POLL_SECONDS)
        for connection in ready:
            if connection in connected:
                connected[connection].receive()

    def _processes(self) -> list[SupervisedProcess]:
        return [slot.process for slot in self._slots if slot.process is not None]

    def _stop(self) -> None:
        for slot in self._slots:
            if slot.role.listener is not None:
                slot.role.listener.close()  # a client that connects is refused when the last server has closed it too
        processes = self._processes()
        for process in processes:
            process.connection.close()
        deadline = time.monotonic() + self._grace + EXIT_SECONDS
        for process in processes:
            if not process.wait(deadline - time.monotonic()):
                log.warning("pid %d does not end: killed", process.pid)
                process.kill()
                process.wait(EXIT_SECONDS)
        self._wakeup.close()
        self._wake.close()


def command_line(command: str, *options: str) -> list[str]:
    """How to start a command of convexpy with the same Python and the same module search path."""
    was_a_module = sys.modules["__main__"].__spec__ is not None  # then modules are looked for here, too
    return [sys.executable, *([] if was_a_module else ["-P"]), "-m", "convexpy", command, *options]
