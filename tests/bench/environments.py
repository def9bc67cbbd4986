"""Virtual environments of the peers: one each, built once with pinned versions and kept in the user's cache."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "convexpy-bench"
# Handlers of every peer reach PostgreSQL through the same layer.
LAYER = ("SQLAlchemy==2.1.9", "psycopg[binary]==3.3.9")


class Unavailable(Exception):
    """A system cannot run here; the message says why."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment with these packages."""

    name: str
    requirements: tuple[str, ...]
    oldest_python: tuple[int, int] = (3, 11)

    def python(self) -> Path:
        """Its interpreter. The environment is built if it is missing or its requirements have changed.

        Raises:
            Unavailable: It cannot be built.
        """
        if not self.is_built:
            if self not in _problems:
                _problems[self] = self._build()
            if (problem := _problems[self]) is not None:
                raise Unavailable(problem)
        return self._interpreter

    @property
    def is_built(self) -> bool:
        stamp = CACHE / self.name / "stamp"
        return stamp.exists() and stamp.read_text() == self._stamp_text and self._interpreter.exists()

    @property
    def _interpreter(self) -> Path:
        return CACHE / self.name / "bin" / "python"

    @property
    def _stamp_text(self) -> str:
        return "\n".join(self.requirements)

    def _build(self) -> str | None:
        """Build it; returns the problem, if there is one."""
        folder = CACHE / self.name
        shutil.rmtree(folder, ignore_errors=True)
        install = [str(self._interpreter), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        try:
            run([str(self._new_enough_python()), "-m", "venv", str(folder)])
            run([*install, *self.requirements])
        except Unavailable as reason:
            return str(reason)
        (folder / "stamp").write_text(self._stamp_text)
        return None

    def versions(self) -> list[str]:
        """Its installed packages, ``name==version`` each."""
        if not self.is_built:
            return []
        completed = subprocess.run(
            [self._interpreter, "-m", "pip", "freeze", "-q"], capture_output=True, text=True, check=False
        )
        return completed.stdout.split()

    def _new_enough_python(self) -> Path:
        for python in pythons():
            completed = subprocess.run(
                [python, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, text=True, check=False
            )
            if completed.returncode == 0 and tuple(map(int, completed.stdout.split())) >= self.oldest_python:
                return python
        raise Unavailable(f"it needs Python {'.'.join(map(str, self.oldest_python))} or newer, which is not installed")


# A build that failed is not tried again in the same run.
_problems: dict[Environment, str | None] = {}


def run(command: list[str]) -> None:
    completed = subprocess.run(command, capture_output=True, text=True, check=False)
    if completed.returncode:
        lines = [line for line in (completed.stdout + completed.stderr).splitlines() if line.strip()] or ["no output"]
        raise Unavailable(f"its environment cannot be built: {lines[-1][:200]}")


def pythons() -> Iterator[Path]:
    """Interpreters of this machine; the running one first."""
    yield Path(sys.executable)
    for name in ("python3.12", "python3.13", "python3.14"):
        found = shutil.which(name)
        if found:
            yield Path(found)
    yield from sorted(Path.home().glob(".pyenv/versions/3.*/bin/python"), reverse=True)


PGQUEUER = Environment("pgqueuer", ("pgqueuer[asyncpg]==1.6.0", "asyncpg==0.32.0", "uvloop==0.23.0", *LAYER))
DBOS = Environment("dbos", ("dbos==3.4.0", "pysqlite3-binary==0.5.4.post2", *LAYER))
PROCRASTINATE = Environment("procrastinate", ("procrastinate==3.10.0", *LAYER))
OBAN = Environment("oban", ("oban==0.7.0", "uvloop==0.23.0", *LAYER), oldest_python=(3, 12))
HUEY = Environment("huey", ("huey==3.5.4", *LAYER))
CELERY = Environment("celery", ("celery==5.7.0", "redis==8.1.0", "packaging", *LAYER))
DRAMATIQ = Environment("dramatiq", ("dramatiq==2.2.1", "redis==8.1.0", *LAYER))
