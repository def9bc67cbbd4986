"""A run: a server, hostile clients and one that behaves, and what the server has to be like at the end."""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from resource import getpagesize
from typing import Final

from servers.ports import free_port

from stress.sockets.client import Client
from stress.sockets.history import Wrong
from stress.sockets.ledger import Ledger
from stress.sockets.run import Options as Chosen
from stress.sockets.run import database, failures_of
from stress.sockets.servers import ServerProcess, make_project, make_tables
from stress.sockets.tokens import Issuer

from .control import Control
from .requests import HostileRequests
from .sockets import HostileSockets

MOST_BYTES: Final = 16 * 1024 * 1024
MORE_MEMORY: Final = 150 * 1024 * 1024
AT_ONCE: Final = 12
REPORT_SECONDS: Final = 5.0
SETTLE_SECONDS: Final = 20.0
PLANTED: Final = ("planted: ", "the result cannot be encoded")
"""What the functions of the project do wrong themselves."""
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """Of one run."""

    database: str = "sqlite"
    frames: int = 100_000
    """Of sockets, and requests over HTTP."""
    seconds: float = 600.0
    """After these it goes on with fewer."""
    seed: int = 1
    huge: int = 12
    """How many texts of 16 MiB."""
    schemas: int = 30
    """How many requests for each function are made from the OpenAPI document. 0: none."""


class Run:
    """One server under attack."""

    def __init__(self, options: Options, server: ServerProcess, progress: Progress) -> None:
        self._options = options
        self._server = server
        self._progress = progress
        self._rng = random.Random(options.seed)
        self._sockets = HostileSockets(server.port, self._rng)
        self._requests = HostileRequests(server.port, self._rng)
        self._most = 0
        self._began = time.monotonic()
        client = Client("control", server.port, Ledger(), Issuer(), random.Random(options.seed), 8)
        self._control = Control(server.port, client)

    @property
    def sent(self) -> int:
        """How many frames and requests there were."""
        return self._sockets.frames + self._requests.requests

    async def run(self) -> None:
        """Attack, and look at the server.

        Raises:
            Wrong: It is not as it has to be.
        """
        controlled = asyncio.ensure_future(self._control.run())
        try:
            await asyncio.sleep(1.0)
            before = self._memory()
            work = asyncio.ensure_future(self._attack())
            await asyncio.wait([work, controlled], return_when=asyncio.FIRST_COMPLETED)
            for each in (controlled, work):
                if each.done():
                    each.result()
            await self._check_memory(before)
        finally:
            for each in (controlled, work):
                each.cancel()
            await asyncio.gather(controlled, work, return_exceptions=True)
        self.report()
        if errors := {name: many for name, many in self._requests.statuses.items() if name.startswith("5")}:
            raise Wrong(f"statuses of a server that fails: {errors}")
        if failed := {name: many for name, many in self._sockets.closed.items() if name.startswith("1011")}:
            said = dict(failures_of([self._server.log]))
            raise Wrong(f"sockets were closed: {failed}; the log has {said}")

    async def _attack(self) -> None:
        until = time.monotonic() + self._options.seconds
        watching = asyncio.ensure_future(self._watch())
        often = [asyncio.ensure_future(self._go_on(until)) for _ in range(AT_ONCE)]
        try:
            await asyncio.gather(self._send_huge(), *(asyncio.to_thread(each) for each in self._others()))
            await asyncio.gather(*often)
        finally:
            for each in (watching, *often):
                each.cancel()

    async def _go_on(self, until: float) -> None:
        while self.sent < self._options.frames and time.monotonic() < until:
            await (self._sockets.attack() if self._rng.random() < 0.7 else self._requests.attack())

    async def _send_huge(self) -> None:
        for number in range(self._options.huge):
            size = self._rng.choice((MOST_BYTES - 200, MOST_BYTES - 200, MOST_BYTES + 10, 3 * MOST_BYTES))
            await (self._sockets, self._requests)[number % 2].send_huge(size)
            await asyncio.gather(self._requests.send_slowly(), self._sockets.read_nothing(1.0))

    def _others(self) -> list[Callable[[], None]]:
        return [self._from_schemas] if self._options.schemas else []

    def _from_schemas(self) -> None:
        """Let schemathesis make requests from the OpenAPI document."""
        command = shutil.which("schemathesis") or shutil.which("schemathesis", path=str(Path(sys.executable).parent))
        if command is None:
            self._progress("schemathesis is not installed, so nothing is made from the OpenAPI document")
            return
        url = f"http://127.0.0.1:{self._server.port}/openapi.json"
        checks = ["--checks", "not_a_server_error", "--phases", "examples,coverage,fuzzing", "--no-color"]
        options = ["--max-examples", str(self._options.schemas), "--seed", str(self._options.seed)]
        done = subprocess.run([command, "run", url, *checks, *options], capture_output=True, text=True)
        self._progress("\n".join(done.stdout.splitlines()[-12:]))
        if done.returncode:
            raise Wrong(f"schemathesis: {done.stdout[-5000:]}")

    # The server.

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            self.report()

    def report(self) -> None:
        rate = self.sent / (time.monotonic() - self._began)
        self._progress(
            f"{self.sent} frames and requests ({rate:.0f} each second), {self._memory() >> 20} MiB, at most "
            f"{self._most >> 20}; the client that behaves: {self._control.calls} calls, at most "
            f"{self._control.slowest:.1f} s; sockets {dict(self._sockets.closed)}, HTTP {dict(self._requests.statuses)}"
        )

    def _memory(self) -> int:
        process = self._server.process
        if process is None or process.poll() is not None:
            raise Wrong(f"the server has ended: {self._server.log.read_text()[-3000:]}")
        found = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * getpagesize()
        self._most = max(self._most, found)
        return found

    async def _check_memory(self, before: int) -> None:
        until = time.monotonic() + SETTLE_SECONDS
        while (now := self._memory()) > before + MORE_MEMORY:
            if time.monotonic() > until:
                raise Wrong(f"the server has {now >> 20} MiB in the end, after {before >> 20} in the beginning")
            await asyncio.sleep(1.0)
            self.report()
        self._progress(f"memory: {before >> 20} MiB before, {now >> 20} after, at most {self._most >> 20}")


def is_planted(failure: str) -> bool:
    return any(each in failure for each in PLANTED)


def run(options: Options, progress: Progress = print) -> str | None:
    """Run it. What is wrong; None: nothing is."""
    with database(Chosen(database=options.database)) as (url, folder):
        project = make_project(folder, Issuer().settings())
        make_tables(project, url, 8)
        server = ServerProcess(project, url, free_port())
        try:
            server.start()
            asyncio.run(Run(options, server, progress).run())
            if (code := server.end(signal.SIGTERM)) != 0:
                raise Wrong(f"the server ended with {code}")
        except Wrong as error:
            return str(error)
        finally:
            server.kill()
        failures = {each: many for each, many in failures_of([server.log]).items() if not is_planted(each)}
        return None if not failures else f"the log of the server has errors: {failures}"
