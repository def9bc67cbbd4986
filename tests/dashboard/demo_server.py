"""The tea shop in production: ``convexpy start`` on a filled database, with two admin keys."""

from __future__ import annotations

import shutil
import signal
import time
from pathlib import Path
from typing import Any

import httpx
from cli.process import Process
from servers.ports import free_port

from .demo_database import add_key, copy_project, fill

PATIENCE_SECONDS = 60.0


class DemoServer:
    """A server under test: its address, and keys that it accepts.

    Args:
        folder: Where its project is copied to.
        database: The URL of an empty database.
        jobs: About how many jobs its history has.
        hostile: Whether there are also texts that could be taken for markup.
        more: A file with more functions of the app.
    """

    def __init__(
        self, folder: Path, database: str, jobs: int = 400, *, hostile: bool = False, more: Path | None = None
    ) -> None:
        self.project = copy_project(folder)
        if more is not None:
            shutil.copy(more, self.project / "teashop/load.py")
        self.database = database
        fill(self.project, database, jobs, hostile=hostile)
        self.key = add_key(self.project, database, "mira").text
        self.read_only_key = add_key(self.project, database, "guest", read_only=True).text
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: Process | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        environment = {"CONVEXPY_DATABASE": self.database}
        self._process = Process(self.project, "start", "--port", str(self.port), env=environment)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                if httpx.get(f"{self.url}/ready").is_success:
                    return
            except httpx.TransportError:
                pass
            assert self._process.process.poll() is None, "\n".join(self._process.lines)
            assert time.monotonic() < deadline, "\n".join(self._process.lines)
            time.sleep(0.05)

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            with self._process as process:
                process.stop(signal.SIGTERM)

    def call(self, kind: str, path: str, args: dict[str, Any] | None = None) -> Any:
        """Call a function as the admin. Functions of the framework are among them."""
        answer = httpx.post(
            f"{self.url}/api/{kind}",
            json={"path": path, "args": args or {}, "format": "json"},
            headers={"Authorization": f"Convex {self.key}"},
            timeout=30,
        )
        answer.raise_for_status()
        document = answer.json()
        assert document["status"] == "success", document
        return document["value"]

    def __enter__(self) -> DemoServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
