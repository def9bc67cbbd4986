"""Environments of the peers: each has its own, built once with pinned versions and kept in the user's cache."""

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


class Missing(Exception):
    """A contestant cannot take part here, and why."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment with these packages, made from a Python that is new enough."""

    name: str
    requirements: tuple[str, ...]
    oldest_python: tuple[int, int] = (3, 11)

    def python(self) -> Path:
        """Its interpreter; the environment is built if it is not there or no longer what is wanted.

        Raises:
            Missing: It cannot be built.
        """
        if not self.is_built:
            if self not in _problems:
                _problems[self] = self._build()
            if (problem := _problems[self]) is not None:
                raise Missing(problem)
        return self._interpreter

    @property
    def is_built(self) -> bool:
        stamp = CACHE / self.name / "stamp"
        return stamp.exists() and stamp.read_text() == self._wanted and self._interpreter.exists()

    @property
    def _interpreter(self) -> Path:
        return CACHE / self.name / "bin" / "python"

    @property
    def _wanted(self) -> str:
        return "\n".join(self.requirements)

    def _build(self) -> str | None:
        """Build it; returns why that cannot be done."""
        folder = CACHE / self.name
        shutil.rmtree(folder, ignore_errors=True)
        install = [str(self._interpreter), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        try:
            run([str(self._maker()), "-m", "venv", str(folder)])
            run([*install, *self.requirements])
        except Missing as reason:
            return str(reason)
        (folder / "stamp").write_text(self._wanted)
        return None

    def versions(self) -> list[str]:
        """What is installed in it, ``name==version`` each."""
        if not self.is_built:
            return []
        said = subprocess.run(
            [self._interpreter, "-m", "pip", "freeze", "-q"], capture_output=True, text=True, check=False
        )
        return said.stdout.split()

    def _maker(self) -> Path:
        for python in pythons():
            said = subprocess.run(
                [python, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, text=True, check=False
            )
            if said.returncode == 0 and tuple(map(int, said.stdout.split())) >= self.oldest_python:
                return python
        raise Missing(f"it needs Python {'.'.join(map(str, self.oldest_python))} or newer, and there is none here")


# Whoever could not be built once is not tried again in the same run.
_problems: dict[Environment, str | None] = {}


def run(command: list[str]) -> None:
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    if said.returncode:
        lines = [line for line in (said.stdout + said.stderr).splitlines() if line.strip()] or ["it says nothing"]
        raise Missing(f"its environment cannot be built: {lines[-1][:200]}")


def pythons() -> Iterator[Path]:
    """Interpreters of this machine, the running one first."""
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
