"""``convexpy worker --processes``: one process that starts several workers, restarts them and stops them."""

from __future__ import annotations

import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from socket import socket, socketpair
from typing import Final

from .child_process import FIRST, child_environment
from .failure import PROBLEM
from .logs import log

POLL_SECONDS: Final = 1.0
FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 30.0
# A worker that ran for this long can run at all: its pauses start from the first again.
HEALTHY_SECONDS: Final = 60.0
# What a worker may need besides its grace. Less than what docs/deployment.md gives the service.
EXIT_SECONDS: Final = 15.0


class WorkerProcess:
    """One worker process, from its start to its end."""

    def __init__(self, number: int, command: list[str]) -> None:
        self.connection, theirs = socketpair()
        with theirs:
            try:
                self._process = subprocess.Popen(
                    command,
                    env=child_environment(number, theirs),
                    pass_fds=[theirs.fileno()],
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
        """Read the connection: a byte means that the worker runs, its end that the process ends."""
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


class WorkerSlot:
    """One of the supervisor's slots: it holds a worker process, or waits for the time to start the next one."""

    def __init__(self, number: int, command: list[str]) -> None:
        self._number = number
        self._command = command
        self._failures = 0
        self._start_time = float("-inf")
        self.worker: WorkerProcess | None = None

    def tick(self) -> None:
        """Notice that the worker has ended, and start another one when it is time."""
        if self.worker is not None and self.worker.exit_code() is not None:
            self._remove(self.worker)
        if self.worker is None and time.monotonic() >= self._start_time:
            self._start()

    def _start(self) -> None:
        try:
            self.worker = WorkerProcess(self._number, self._command)
        except OSError as error:
            pause = self._back_off()
            log.warning("process %d cannot be started: %s; next attempt in %g s", self._number, error.strerror, pause)
            return
        if self._failures:
            log.info("process %d restarted, pid %d", self._number, self.worker.pid)

    def _remove(self, worker: WorkerProcess) -> None:
        if worker.age() >= HEALTHY_SECONDS:
            self._failures = 0
        pause, how = self._back_off(), worker.describe_exit()
        worker.connection.close()
        self.worker = None
        log.warning("process %d, pid %d, ended: %s; restart in %g s", self._number, worker.pid, how, pause)

    def _back_off(self) -> float:
        pause = min(FIRST_PAUSE_SECONDS * (1 << min(self._failures, 10)), LONGEST_PAUSE_SECONDS)
        self._failures += 1
        self._start_time = time.monotonic() + pause
        return pause


class Supervisor:
    """Keeps several workers running. The first starts alone, so that an app or database that fails is reported once."""

    def __init__(self, processes: int, command: list[str], grace: float) -> None:
        self._slots = [WorkerSlot(number, command) for number in range(FIRST, FIRST + processes)]
        self._grace = grace
        self._is_stopping = False
        self._has_reported = False
        self._wakeup, self._wake = socketpair()

    def run(self) -> int:
        """Keep the workers running until asked to stop. The exit code."""
        try:
            code = self._start_first()
            if code is not None:
                return code
            while not self._is_stopping:
                for slot in self._slots:
                    slot.tick()
                self._report_running()
                self._wait()
            log.info("stopping: running jobs may finish")
            return 0
        finally:
            self._stop()

    def request_stop(self) -> None:
        """Stop soon. Signal handlers call this."""
        self._is_stopping = True
        with suppress(OSError):  # it has stopped already
            self._wake.send(b"!")

    def kill(self) -> None:
        """Kill every worker."""
        for worker in self._workers():
            worker.kill()

    def _start_first(self) -> int | None:
        """Start the first worker and wait until it runs. Otherwise the exit code: it has printed itself what failed."""
        slot = self._slots[0]
        slot.tick()
        if slot.worker is None:
            return PROBLEM
        while not (slot.worker.is_running or self._is_stopping):
            self._wait()
            code = slot.worker.exit_code()
            if code is not None and not self._is_stopping:
                if code < 0:
                    log.error("the first process ended before it ran: %s", slot.worker.describe_exit())
                return code if code >= 0 else PROBLEM
        return None

    def _report_running(self) -> None:
        if not self._has_reported and all(slot.worker and slot.worker.is_running for slot in self._slots):
            self._has_reported = True
            pids = ", ".join(str(worker.pid) for worker in self._workers())
            log.info("running %d worker processes: %s", len(self._slots), pids)

    def _wait(self) -> None:
        """Wait for a worker's byte, a worker's end or a signal. Not for long: a restart may be due."""
        workers: dict[socket, WorkerProcess] = {worker.connection: worker for worker in self._workers()}
        ready, _, _ = select.select([self._wakeup, *workers], [], [], POLL_SECONDS)
        for connection in ready:
            if connection in workers:
                workers[connection].receive()

    def _workers(self) -> list[WorkerProcess]:
        return [slot.worker for slot in self._slots if slot.worker is not None]

    def _stop(self) -> None:
        workers = self._workers()
        for worker in workers:
            worker.connection.close()
        deadline = time.monotonic() + self._grace + EXIT_SECONDS
        for worker in workers:
            if not worker.wait(deadline - time.monotonic()):
                log.warning("pid %d does not end: killed", worker.pid)
                worker.kill()
                worker.wait(EXIT_SECONDS)
        self._wakeup.close()
        self._wake.close()


def worker_command(*options: str) -> list[str]:
    """The command that starts one worker, with the same Python and the same module search path."""
    was_a_module = sys.modules["__main__"].__spec__ is not None  # then modules are looked for here, too
    return [sys.executable, *([] if was_a_module else ["-P"]), "-m", "convexpy", "worker", *options]
