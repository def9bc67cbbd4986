"""A convexpy command in a process of its own."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from support.fork_server import Forked

ROOT = Path(__file__).parents[2]
DEADLINE_SECONDS = 60.0


def environment(**more: str) -> dict[str, str]:
    """This process's environment, without what would change how a project behaves."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("CONVEXPY_", "PYTEST_"))}
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    own = {"PYTHONPATH": path, "PYTHONUNBUFFERED": "", "PYTHONDONTWRITEBYTECODE": "", "CONVEXPY_PORT": "0"}
    return inherited | own | more


def python_module(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """``python -m …`` in a folder, run to its end."""
    command = [sys.executable, "-m", *args]
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=600)


class Process:
    """The command, its output read line by line."""

    def __init__(self, folder: Path, *args: str, env: dict[str, str] | None = None) -> None:
        self.lines: list[str] = []
        self._queue: SimpleQueue[str | None] = SimpleQueue()
        self.process = self._start(args, folder, environment(**(env or {})))
        threading.Thread(target=self._read, daemon=True).start()

    def _start(self, args: Sequence[str], folder: Path, env: dict[str, str]) -> Forked | subprocess.Popen[str]:
        return Forked("convexpy.cli:main", args, folder, env)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._queue.put(line.rstrip("\n"))
        self._queue.put(None)

    def line(self, pattern: str) -> str:
        """The next line that matches, waited for."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            try:
                line = self._queue.get(timeout=max(0.0, deadline - time.monotonic()))
            except Empty:
                line = None
            if line is None:
                raise AssertionError(f"no line matched {pattern!r} in:\n" + "\n".join(self.lines))
            self.lines.append(line)
            if re.search(pattern, line):
                return line

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to stop and return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(DEADLINE_SECONDS)

    def signal_another_thread(self, number: int) -> None:
        """Send a signal to a thread that is not the main one, as the system does when that one is busy."""
        process = self.process.pid
        threads = (int(entry.name) for entry in Path(f"/proc/{process}/task").iterdir())
        another = max(thread for thread in threads if thread != process)
        assert ctypes.CDLL(None).tgkill(process, another, number) == 0

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *exception: Any) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


class FreshProcess(Process):
    """The same in an interpreter that imports everything, as a user's does: for tests of what a start takes."""

    def _start(self, args: Sequence[str], folder: Path, env: dict[str, str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "convexpy", *args],
            cwd=folder,
            env=env,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
