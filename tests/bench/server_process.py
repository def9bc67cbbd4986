"""A process that serves clients: where it listens, what it costs."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final

from servers.ports import free_port

from .config import Config
from .process import AdapterProcess, MeasurementFailed, app_environment, start
from .starts import FOLDER

START_SECONDS: Final = 30.0
TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")


class ServerProcess(AdapterProcess):
    """The server of a system, from when it listens. What it prints is discarded."""

    def __init__(self, python: Path, module: str, config: Config) -> None:
        self._log = TemporaryFile()  # noqa: SIM115
        self.port = free_port()
        given = replace(config, options={**config.options, "port": self.port})
        command = [str(python), "-m", f"tests.bench.adapters.{module}", given.to_json()]
        environ = {FOLDER: config.starts, **app_environment(config)}
        self._process = start(command, environ, self._log, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self._wait_until_listening()

    def cpu_seconds(self) -> float:
        """What all its threads have computed so far."""
        stat = Path(f"/proc/{self._process.pid}/stat").read_text()
        user, system = stat.rpartition(") ")[2].split()[11:13]
        return (int(user) + int(system)) / TICKS_A_SECOND

    def memory_bytes(self) -> int:
        """Its resident memory."""
        pages = Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def _wait_until_listening(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except OSError:
                self.check_alive()
                if time.monotonic() > deadline:
                    raise MeasurementFailed(f"the server does not listen: {self.last_log_line()}") from None
                time.sleep(0.05)
            else:
                return
