"""A Redis server of the benchmark's own, as durable as a database: each command is on the disk before its answer."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path

from servers.ports import free_port

from .environments import Unavailable
from .process import end

DURABLE = {"appendonly": "yes", "appendfsync": "always"}
QUIET = {"bind": "127.0.0.1", "save": ""}


class Redis:
    """One server with its files in a folder.

    Raises:
        Unavailable: The program is not installed, or does not start.
    """

    def __init__(self, folder: Path) -> None:
        program = shutil.which("redis-server")
        if program is None:
            raise Unavailable("no redis-server is installed: apt-get install redis-server")
        folder.mkdir()
        self.port = free_port()
        settings = {"port": str(self.port), "dir": str(folder), **QUIET, **DURABLE}
        arguments = [part for name, value in settings.items() for part in (f"--{name}", value)]
        self._process = subprocess.Popen([program, *arguments], stdout=subprocess.DEVNULL)
        self._wait()

    def clear(self) -> None:
        """Delete all keys."""
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.sendall(b"FLUSHALL\r\n")
            connection.recv(64)

    def stop(self) -> None:
        end(self._process)

    def _wait(self) -> None:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                time.sleep(0.05)
        self.stop()
        raise Unavailable("redis-server does not start")
