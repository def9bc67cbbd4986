"""What faults strike: the processes, the database and the network of one run."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from servers.postgres import Server

from .crew import Crew, Member
from .orders import Orders
from .place import Place


class Interrupted(Exception):
    """The run is over, or was interrupted: whoever waits lets go."""


@dataclass
class Scene:
    """Everything within reach of a fault."""

    place: Place
    workers: Crew
    clients: Crew
    # What a worker is told at the end, when there must be no more crons.
    calm_orders: Callable[[str], Orders]
    server: Server | None = None
    proxy: Member | None = None
    # While somebody stops and starts the server, nobody else does.
    restarting: threading.Lock = field(default_factory=threading.Lock)
    over: threading.Event = field(default_factory=threading.Event)
    complaints: list[str] = field(default_factory=list)
    apart: set[Member] = field(default_factory=set)

    def worker(self, target: int) -> Member:
        """A worker that nobody has set apart; any, if all are."""
        members = [member for member in self.workers.members if member not in self.apart]
        return members[target % len(members)] if members else self.workers[target]

    @contextmanager
    def set_apart(self, target: int) -> Iterator[Member]:
        """A worker that is not killed while something slow is done to it."""
        member = self.worker(target)
        self.apart.add(member)
        try:
            yield member
        finally:
            self.apart.discard(member)

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
        """No more faults: the network passes everything, and nobody is frozen."""
        self.over.set()
        for member in self.workers.members:
            if member.is_alive:
                thaw(member)
        if self.proxy is not None:
            for name in self.proxy.ask("ports"):
                self.proxy.ask("cut", name, None, 0)
                self.proxy.ask("mode", name, "pass", 0.0)

    @property
    def sqlite_file(self) -> Path:
        return Path(self.place.url.removeprefix("sqlite:///"))

    def port_of(self, target: int) -> str:
        """The proxy's port of a worker, or of a client."""
        members = [*self.workers.members, *self.clients.members]
        return members[target % len(members)].name.partition("-")[0]


def is_stopped(pid: int) -> bool:
    """Whether a process is frozen, by what the system says."""
    return state_of(pid) == "T"


def state_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def thaw(member: Member) -> None:
    member.signal(signal.SIGCONT)
