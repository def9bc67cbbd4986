"""How a process is started, and how it is ended."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[2]


def start(
    command: list[str],
    environ: dict[str, str],
    log: IO[bytes],
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """From the repository's folder, so that ``-m tests.bench...`` is found by every interpreter."""
    return subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=log, cwd=ROOT, env={**os.environ, **environ})


def end(process: subprocess.Popen[Any], patience: float = 15) -> None:
    """Ask a process to end, and end it if it does not."""
    process.terminate()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
