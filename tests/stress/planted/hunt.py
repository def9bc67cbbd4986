"""Run tests in a copy of the project, and tell whether they noticed the bug in it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .bug import Bug
from .project import ROOT, copy_of_project
from .witness import VARIABLE

# Longer than all tests of the list take together: a bug that makes tests hang is not noticed by them.
PATIENCE_SECONDS = 900.0
BUG_SECONDS = 300.0


@dataclass
class Run:
    """What one run of pytest gave. ``failed`` and ``broken`` hold pairs of a test and its error."""

    exit_code: int | None
    seconds: float
    said: str
    passed: list[str] = field(default_factory=list)
    failed: list[list[str]] = field(default_factory=list)
    broken: list[list[str]] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    @property
    def caught(self) -> bool:
        """A test failed by itself: not an import, not the collection, not a fixture."""
        return self.exit_code == 1 and bool(self.failed)

    @property
    def clean(self) -> bool:
        """Every test ran, and passed."""
        return self.exit_code == 0 and bool(self.passed) and not self.skipped


def hunt(bug: Bug, environ: dict[str, str], project: Path = ROOT) -> Run:
    """Plant a bug, and run the tests that must notice it until one does.

    Raises:
        NotThere: The code is not what the bug changes.
    """
    with copy_of_project(project) as folder:
        bug.plant(folder / "convexpy")
        return run_tests(folder, ["-x", *bug.tests], environ, BUG_SECONDS)


def run_without_bugs(tests: list[str], environ: dict[str, str], project: Path = ROOT) -> Run:
    """The same tests must pass where nothing was planted."""
    with copy_of_project(project) as folder:
        return run_tests(folder, tests, environ, PATIENCE_SECONDS)


def run_tests(folder: Path, words: list[str], environ: dict[str, str], seconds: float) -> Run:
    witness = folder / "witness.json"
    options = ["-n", "0", "-q", "--tb=short", "-p", "no:cacheprovider", "-p", "tests.stress.planted.witness"]
    began = time.monotonic()
    tests = subprocess.Popen(
        [sys.executable, "-m", "pytest", *options, f"--basetemp={folder / 'tmp'}", *words],
        cwd=folder,
        env={**outer_environment(), **environ, **inner_environment(folder), VARIABLE: str(witness)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = tests.communicate(timeout=seconds)
        code: int | None = tests.returncode
    except subprocess.TimeoutExpired:
        os.killpg(tests.pid, signal.SIGKILL)
        said, code = tests.communicate()[0] + f"\nnot over after {seconds:g} s", None
    finally:
        with suppress(ProcessLookupError):  # what the tests left behind, with them
            os.killpg(tests.pid, signal.SIGKILL)
    seen: dict[str, Any] = json.loads(witness.read_text("utf-8")) if witness.exists() else {}
    return Run(code, time.monotonic() - began, said, **seen)


def outer_environment() -> dict[str, str]:
    """Ours, without what a pytest around us has put there for itself."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}


def inner_environment(folder: Path) -> dict[str, str]:
    """The copy comes first on the path, for child processes too, and no bytecode outlives the text it was made from."""
    return {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
