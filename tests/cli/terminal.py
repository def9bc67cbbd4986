"""A convexpy command on a terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from .process import DEADLINE_SECONDS, environment

# The terminal becomes the one that Ctrl-C comes from.
ON_TERMINAL = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); from convexpy.cli import main; main()"


class Terminal:
    """The command on a pseudo-terminal of its own: what it shows, and what is typed into it."""

    def __init__(self, folder: Path, *args: str, env: dict[str, str] | None = None) -> None:
        surroundings = environment(TERM="xterm-256color", COLUMNS="160")
        for name in ("NO_COLOR", "FORCE_COLOR", "CI"):
            surroundings.pop(name, None)
        self._mine, theirs = pty.openpty()
        streams: dict[str, Any] = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
        self.process = subprocess.Popen(
            [sys.executable, "-c", ON_TERMINAL, *args],
            cwd=folder,
            env=surroundings | (env or {}),
            start_new_session=True,
            **streams,
        )
        os.close(theirs)
        self.shown = ""

    def read(self, pattern: str) -> str:
        """Everything shown up to something that matches, waited for."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not re.search(pattern, self.shown):
            ready, _, _ = select.select([self._mine], [], [], max(0.0, deadline - time.monotonic()))
            try:
                text = os.read(self._mine, 65536).decode() if ready else ""
            except OSError:
                text = ""
            assert text, f"nothing matched {pattern!r} in:\n{self.shown}"
            self.shown += text
        return self.shown

    def type(self, text: str) -> None:
        os.write(self._mine, text.encode())

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *exception: Any) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._mine)
