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
from .orders import Orders
from .worker import work

Role = Literal["worker", "client"]
PATIENCE_SECONDS = 60.0


class Gone(Exception):
    """The process is not there any more."""


@cache
def forks() -> Any:
    """Where children come from: a process that has imported everything and started nothing."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([f"{__package__}.fork_server", serve.__module__, work.__module__])
    # The fork server of Python 3.11 looks for what it preloads on PYTHONPATH only.
    root = str(Path(__file__).parents[len(serve.__module__.split(".")) - 1])
    here, before = os.pathsep.join((root, str(Path(__file__).parents[2]))), os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in (here, before) if path)
    try:
        multiprocessing.forkserver.ensure_running()  # type: ignore[attr-defined]
    finally:
        os.environ["PYTHONPATH"] = before
    return context


class Member:
    """One process, in one of its lives."""

    def __init__(self, name: str, main: Callable[..., None], *args: Any) -> None:
        self.name = name
        self._pipe, theirs = forks().Pipe()
        self._process = forks().Process(target=main, args=(*args, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self._talking = threading.Lock()
        self._ready = False

    @property
    def pid(self) -> int:
        return int(self._process.pid)

    @property
    def is_alive(self) -> bool:
        return bool(self._process.is_alive())

    def is_ready(self) -> bool:
        """Whether it has come up."""
        with self._talking:
            if not self._ready and self._pipe.poll(0):
                self._ready = self._receive(0) == "ready"
            return self._ready

    def ask(self, *command: Any, seconds: float = PATIENCE_SECONDS) -> Any:
        """Tell it something and wait for the answer.

        Raises:
            Gone: It died, or does not answer.
        """
        with self._talking:
            if not self._ready:
                self._receive(seconds)
                self._ready = True
            self._send(command)
            return self._receive(seconds)

    def signal(self, number: int) -> None:
        if not self.is_alive:
            raise Gone(self.name)
        os.kill(self.pid, number)

    def kill(self) -> bool:
        """``kill -9``. Whether that is what it died of."""
        if self.is_alive:
            os.kill(self.pid, signal.SIGKILL)
        return self.wait(PATIENCE_SECONDS) == -signal.SIGKILL

    def tell_to_stop(self) -> None:
        with self._talking:
            self._send(("stop", None))

    def wait(self, seconds: float) -> int | None:
        self._process.join(seconds)
        return self._process.exitcode  # type: ignore[no-any-return]

    def _send(self, command: tuple[Any, ...]) -> None:
        try:
            self._pipe.send(command)
        except OSError as error:
            raise Gone(self.name) from error

    def _receive(self, seconds: float) -> Any:
        try:
            if not self._pipe.poll(seconds):
                raise Gone(f"{self.name} does not answer")
            return self._pipe.recv()
        except (EOFError, OSError) as error:
            raise Gone(self.name) from error


class Crew:
    """The members of one role. Whoever was killed is replaced by a new life under the same number."""

    def __init__(self, role: Role, size: int, orders_of: Callable[[str], Orders]) -> None:
        self._main = {"worker": work, "client": serve}[role]
        self._letter = role[0]
        self._orders_of = orders_of
        self._lives = [0] * size
        self._mutex = threading.Lock()
        self.members: list[Member] = []
        self.members = [self._born(number) for number in range(size)]

    def __getitem__(self, target: int) -> Member:
        return self.members[target % len(self.members)]

    def replace(self, member: Member) -> Member:
        """A new life in the place of one that is gone."""
        with self._mutex:
            number = self.members.index(member)
            self._lives[number] += 1
            self.members[number] = self._born(number)
            return self.members[number]

    def wait_until_ready(self, seconds: float = PATIENCE_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        for member in list(self.members):
            while not member.is_ready():
                if time.monotonic() > deadline or not member.is_alive:
                    raise Gone(f"{member.name} did not come up")
                time.sleep(0.02)

    def stop(self, seconds: float = PATIENCE_SECONDS) -> list[str]:
        """Let everybody stop cleanly. Who did not, and was killed."""
        killed = []
        for member in self.members:
            try:
                member.tell_to_stop()
            except Gone:
                continue
        for member in self.members:
            if member.wait(seconds) is None:
                member.kill()
                killed.append(member.name)
        return killed

    def end(self) -> None:
        """Leave nobody behind, whatever happened."""
        for member in self.members:
            member.kill()

    def _born(self, number: int) -> Member:
        orders = self._orders_of(f"{self._letter}{number}-{self._lives[number]}")
        return Member(orders.name, self._main, orders)
