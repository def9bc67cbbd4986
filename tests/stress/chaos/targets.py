"""The targets of faults: the processes, the database and the network of one run."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from servers.postgres import Server

from .process_config import ProcessConfig
from .processes import ChildProcess, ProcessGroup
from .run_database import RunDatabase


class Interrupted(Exception):
    """The run is over, or was interrupted: a fault that waits ends."""


@dataclass
class Targets:
    """Everything within reach of a fault."""

    database: RunDatabase
    workers: ProcessGroup
    clients: ProcessGroup
    # For the worker at the end, which fires no crons.
    calm_config: Callable[[str], ProcessConfig]
    server: Server | None = None
    proxy: ChildProcess | None = None
    # Held while one fault stops and starts the server, so that no other does.
    restarting: threading.Lock = field(default_factory=threading.Lock)
    over: threading.Event = field(default_factory=threading.Event)
    problems: list[str] = field(default_factory=list)
    apart: set[ChildProcess] = field(default_factory=set)

    def worker(self, target: int) -> ChildProcess:
        """A worker that no fault has set apart; any, if all are."""
        processes = [process for process in self.workers.processes if process not in self.apart]
        return processes[target % len(processes)] if processes else self.workers[target]

    @contextmanager
    def set_apart(self, target: int) -> Iterator[ChildProcess]:
        """A worker that is not killed while something slow is done to it."""
        process = self.worker(target)
        self.apart.add(process)
        try:
            yield process
        finally:
            self.apart.discard(process)

    def wait(self, seconds: float) -> None:
        """Let a fault last.

        Raises:
            Interrupted: The run is over.
        """
        if self.over.wait(seconds):
            raise Interrupted

    def wait_until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Whether it came to be within so many seconds."""
        for _ in range(max(1, round(seconds / 0.05))):
            if condition():
                return True
            self.wait(0.05)
        return condition()

    def heal(self) -> None:
        """No more faults: the network passes everything, and no process is frozen."""
        self.over.set()
        for process in self.workers.processes:
            if process.is_alive:
                thaw(process)
        if self.proxy is not None:
            for name in self.proxy.ask("ports"):
                self.proxy.ask("cut", name, None, 0)
                self.proxy.ask("mode", name, "pass", 0.0)

    @property
    def sqlite_file(self) -> Path:
        return Path(self.database.url.removeprefix("sqlite:///"))

    def port_of(self, target: int) -> str:
        """The proxy's port of a worker, or of a client."""
        processes = [*self.workers.processes, *self.clients.processes]
        return processes[target % len(processes)].name.partition("-")[0]


def is_stopped(pid: int) -> bool:
    """Whether a process is frozen, by what the system says."""
    return state_of(pid) == "T"


def state_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def thaw(process: ChildProcess) -> None:
    process.signal(signal.SIGCONT)
