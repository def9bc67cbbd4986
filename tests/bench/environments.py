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
        folder = CACHE / self.name
        stamp, python = folder / "stamp", folder / "bin" / "python"
        wanted = "\n".join(self.requirements)
        if stamp.exists() and stamp.read_text() == wanted and python.exists():
            return python
        shutil.rmtree(folder, ignore_errors=True)
        self._run([str(self._maker()), "-m", "venv", str(folder)])
        self._run([str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *self.requirements])
        stamp.write_text(wanted)
        return python

    def versions(self) -> list[str]:
        """What is installed in it, ``name==version`` each."""
        python = CACHE / self.name / "bin" / "python"
        if not python.exists():
            return []
        said = subprocess.run([python, "-m", "pip", "freeze", "-q"], capture_output=True, text=True, check=False)
        return said.stdout.split()

    def _maker(self) -> Path:
        for python in pythons():
            said = subprocess.run(
                [python, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, text=True, check=False
            )
            if said.returncode == 0 and tuple(map(int, said.stdout.split())) >= self.oldest_python:
                return python
        raise Missing(f"it needs Python {'.'.join(map(str, self.oldest_python))} or newer, and there is none here")

    def _run(self, command: list[str]) -> None:
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


def build(environments: list[Environment]) -> dict[str, str]:
    """Build them all; returns why some are missing."""
    problems = {}
    for environment in environments:
        try:
            environment.python()
        except Missing as reason:
            problems[environment.name] = str(reason)
    return problems


PGQUEUER = Environment("pgqueuer", ("pgqueuer[asyncpg]==1.6.0", "asyncpg==0.32.0", "uvloop==0.23.0", *LAYER))
DBOS = Environment("dbos", ("dbos==3.4.0", "pysqlite3-binary==0.5.4.post2", *LAYER))
PROCRASTINATE = Environment("procrastinate", ("procrastinate==3.10.0", *LAYER))
OBAN = Environment("oban", ("oban==0.7.0", "uvloop==0.23.0", *LAYER), oldest_python=(3, 12))
HUEY = Environment("huey", ("huey==3.5.4", *LAYER))
CELERY = Environment("celery", ("celery==5.7.0", "redis==8.1.0", "packaging", *LAYER))
DRAMATIQ = Environment("dramatiq", ("dramatiq==2.2.1", "redis==8.1.0", *LAYER))
EVERY = [PGQUEUER, DBOS, PROCRASTINATE, OBAN, HUEY, CELERY, DRAMATIQ]
