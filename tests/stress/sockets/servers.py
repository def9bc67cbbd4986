"""The servers of a run: processes like those of ``convexpy start``, each at a port of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[2]))

from sqlalchemy import NullPool, create_engine, insert
from support.fork_server import Forked

HERE: Final = Path(__file__).parent
MAIN: Final = "stress.sockets.servers:main"
READY_SECONDS: Final = 60.0
PYPROJECT: Final = """
[project]
name = "counted"
version = "0.1.0"

[tool.convexpy]
functions = "counted"
retry_first = 0.02
retry_longest = 0.5
mutation_retries = 30
stop_grace = 3.0
sqlite_synchronous = "NORMAL"
"""


def main() -> None:
    """Serve the project in the folder of this process: what one process of ``convexpy start`` does."""
    from convexpy.cli.service import Service, run_service

    database, port = sys.argv[1:]
    run_service(Service(Path.cwd(), database, True, None, int(port), serves=True, works=True))


def make_project(folder: Path, auth: str) -> Path:
    """A copy of the project. ``auth``: what its settings say of issuers."""
    project = Path(shutil.copytree(HERE / "project", folder / "project", ignore=shutil.ignore_patterns("__pycache__")))
    (project / "pyproject.toml").write_text(PYPROJECT + auth)
    return project


def make_tables(project: Path, url: str, keys: int) -> None:
    """The tables of the framework and of the project, with keys at 0."""
    from convexpy import Convex

    sys.path.insert(0, str(project))
    from counted import models

    with Convex(url, functions=models) as convex:
        convex.migrate()
    engine = engine_of(url)
    with engine.begin() as connection:
        models.Base.metadata.create_all(connection)
        for table in (models.One, models.Other):
            connection.execute(insert(table), [{"key": key, "n": 0} for key in range(keys)])
    engine.dispose()


def engine_of(url: str) -> Any:
    """For statements of the checker's own."""
    return create_engine(url.replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool)


@dataclass
class ServerProcess:
    """One server, which may be killed and started again at its port."""

    project: Path
    url: str
    port: int
    process: Forked | None = None

    @property
    def log(self) -> Path:
        return self.project.parent / f"server {self.port}.log"

    def start(self) -> None:
        """Start it, and return when it listens.

        Raises:
            RuntimeError: It ended, or did not come up.
        """
        with self.log.open("ab") as output:
            args = [self.url, str(self.port)]
            self.process = Forked(MAIN, args, self.project, dict(os.environ), output.fileno())
        until = time.monotonic() + READY_SECONDS
        while not self.listens():
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"a server did not start: {self.log.read_text()[-3000:]}")
            time.sleep(0.02)

    def listens(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1.0):
            return True
        return False

    def end(self, number: int) -> int:
        """End it by a signal. Its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(READY_SECONDS)
        self.process = None
        return code

    def freeze(self, seconds: float) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Leave nothing behind, whatever happened."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait(READY_SECONDS)
            self.process = None
