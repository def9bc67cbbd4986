"""The processes of a run as their parent holds them: started, killed, frozen, replaced."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Literal

from .client import serve
from .process_config import ProcessConfig
from .worker import work

Role = Literal["worker", "client"]
PATIENCE_SECONDS = 60.0


class ProcessGone(Exception):
    """The process is not there any more."""


@cache
def forks() -> Any:
    """Where children come from: a process that has imported everything and started nothing."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([serve.__module__, work.__module__, f"{__package__}.fork_server"])
    # The fork server of Python 3.11 looks for what it preloads on PYTHONPATH only.
    root = str(Path(__file__).parents[len(serve.__module__.split(".")) - 1])
    here, before = os.pathsep.join((root, str(Path(__file__).parents[2]))), os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in (here, before) if path)
    try:
        multiprocessing.forkserver.ensure_running()  # type: ignore[attr-defined]
    finally:
        os.environ["PYTHONPATH"] = before
    return context


class ChildProcess:
    """One process, from its start to its end."""

    def __init__(self, name: str, main: Callable[..., None], *args: Any) -> None:
        self.name = name
        self._pipe, theirs = forks().Pipe()
        self._process = forks().Process(target=main, args=(*args, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self._in_use = threading.Lock()
        self._ready = False

    @property
    def pid(self) -> int:
        return int(self._process.pid)

    @property
    def is_alive(self) -> bool:
        return bool(self._process.is_alive())

    def is_ready(self) -> bool:
        """Whether it has come up."""
        with self._in_use:
            if not self._ready and self._pipe.poll(0):
                self._ready = self._receive(0) == "ready"
            return self._ready

    def ask(self, *command: Any, seconds: float = PATIENCE_SECONDS) -> Any:
        """Send a command and wait for the answer.

        Raises:
            ProcessGone: It died, or does not answer.
        """
        with self._in_use:
            if not self._ready:
                self._receive(seconds)
                self._ready = True
            self._send(command)
            return self._receive(seconds)

    def signal(self, number: int) -> None:
        if not self.is_alive:
            raise ProcessGone(self.name)
        os.kill(self.pid, number)

    def kill(self) -> bool:
        """``kill -9``. Whether that is what it died of."""
        if self.is_alive:
            os.kill(self.pid, signal.SIGKILL)
        return self.wait(PATIENCE_SECONDS) == -signal.SIGKILL

    def ask_to_stop(self) -> None:
        with self._in_use:
            self._send(("stop", None))

    def wait(self, seconds: float) -> int | None:
        self._process.join(seconds)
        return self._process.exitcode  # type: ignore[no-any-return]

    def _send(self, command: tuple[Any, ...]) -> None:
        try:
            self._pipe.send(command)
        except OSError as error:
            raise ProcessGone(self.name) from error

    def _receive(self, seconds: float) -> Any:
        try:
            if not self._pipe.poll(seconds):
                raise ProcessGone(f"{self.name} does not answer")
            return self._pipe.recv()
        except (EOFError, OSError) as error:
            raise ProcessGone(self.name) from error


class ProcessGroup:
    """The processes of one role. One that was killed is replaced by a new one under the same number."""

    def __init__(self, role: Role, size: int, config_of: Callable[[str], ProcessConfig]) -> None:
        self._main = {"worker": work, "client": serve}[role]
        self._letter = role[0]
        self._orders_of = config_of
        self._starts = [0] * size
        self._mutex = threading.Lock()
        self.processes: list[ChildProcess] = []
        self.processes = [self._start(number) for number in range(size)]

    def __getitem__(self, target: int) -> ChildProcess:
        return self.processes[target % len(self.processes)]

    def replace(self, process: ChildProcess) -> ChildProcess:
        """Start a process instead of one that is gone."""
        with self._mutex:
            number = self.processes.index(process)
            self._starts[number] += 1
            self.processes[number] = self._start(number)
            return self.processes[number]

    def wait_until_ready(self, seconds: float = PATIENCE_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        for process in list(self.processes):
            while not process.is_ready():
                if time.monotonic() > deadline or not process.is_alive:
                    raise ProcessGone(f"{process.name} did not come up")
                time.sleep(0.02)

    def stop(self, seconds: float = PATIENCE_SECONDS) -> list[str]:
        """Let all of them stop cleanly. The names of those that did not, and were killed."""
        killed = []
        for process in self.processes:
            try:
                process.ask_to_stop()
            except ProcessGone:
                continue
        for process in self.processes:
            if process.wait(seconds) is None:
                process.kill()
                killed.append(process.name)
        return killed

    def end(self) -> None:
        """Leave no process behind, whatever happened."""
        for process in self.processes:
            process.kill()

    def _start(self, number: int) -> ChildProcess:
        config = self._orders_of(f"{self._letter}{number}-{self._starts[number]}")
        return ChildProcess(config.name, self._main, config)
