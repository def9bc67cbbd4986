"""Run tests in a copy of the project: with a bug in it they must fail, without one they must pass."""

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
from .outcomes import VARIABLE
from .project import ROOT, copy_of_project

# Longer than all tests of the list take together: a bug that makes tests hang is not caught.
ALL_TESTS_SECONDS = 900.0
BUG_SECONDS = 300.0


@dataclass
class Run:
    """The result of one run of pytest. ``failed`` and ``broken`` hold pairs of a test and its error."""

    exit_code: int | None
    seconds: float
    output: str
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


def run_with_bug(bug: Bug, environ: dict[str, str], project: Path = ROOT) -> Run:
    """Plant a bug, and run its tests until one fails.

    Raises:
        TextNotFound: The text that the bug changes is not in its file.
    """
    with copy_of_project(project) as folder:
        bug.plant(folder / "convexpy")
        return run_tests(folder, ["-x", *bug.tests], environ, BUG_SECONDS)


def run_without_bugs(tests: list[str], environ: dict[str, str], project: Path = ROOT) -> Run:
    """The same tests must pass where nothing was planted."""
    with copy_of_project(project) as folder:
        return run_tests(folder, tests, environ, ALL_TESTS_SECONDS)


def run_tests(folder: Path, args: list[str], environ: dict[str, str], seconds: float) -> Run:
    outcomes = folder / "outcomes.json"
    options = ["-n", "0", "-m", "", "-q", "--tb=short", "-p", "no:cacheprovider", "-p", "tests.stress.planted.outcomes"]
    began = time.monotonic()
    tests = subprocess.Popen(
        [sys.executable, "-m", "pytest", *options, f"--basetemp={folder / 'tmp'}", *args],
        cwd=folder,
        env={**outer_environment(), **environ, **inner_environment(folder), VARIABLE: str(outcomes)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = tests.communicate(timeout=seconds)
        code: int | None = tests.returncode
    except subprocess.TimeoutExpired:
        os.killpg(tests.pid, signal.SIGKILL)
        output, code = tests.communicate()[0] + f"\nnot finished after {seconds:g} s", None
    finally:
        with suppress(ProcessLookupError):  # processes that the tests left behind
            os.killpg(tests.pid, signal.SIGKILL)
    seen: dict[str, Any] = json.loads(outcomes.read_text("utf-8")) if outcomes.exists() else {}
    return Run(code, time.monotonic() - began, output, **seen)


def outer_environment() -> dict[str, str]:
    """The environment of this process, without the variables of a pytest that runs it."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}


def inner_environment(folder: Path) -> dict[str, str]:
    """The copy comes first on the path, for child processes too, and no bytecode outlives its source."""
    return {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
