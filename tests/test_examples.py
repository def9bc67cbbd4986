"""The examples are copied by users, so they are run as users run them: their tests, their types, their README."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from cli.process import Process
from support.strict import MYPY, one_mypy_at_a_time

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/pyproject.toml"))
ENVIRONMENT = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}

# The first one that it is asked by never hears an answer.
SILENT_PROVIDER = """
import asyncio
from pathlib import Path

async def charge(cents: int, idempotency_key: str) -> str:
    asked = Path(__file__).with_name("asked")
    is_first = not asked.exists()
    with asked.open("a") as file:
        file.write(idempotency_key + "\\n")
    if is_first:
        print("the provider was asked", flush=True)
        await asyncio.sleep(3600)
    return "r1"
"""


def run(folder: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A Python command in a folder, as somebody would type it there."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("CONVEXPY_", "PYTEST_"))}
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=inherited | ENVIRONMENT | environment,
        capture_output=True,
        text=True,
        timeout=600,
    )


def copied(name: str, folder: Path) -> Path:
    """An example in a folder of its own, where it may keep a database."""
    ignored = shutil.ignore_patterns(".convexpy", "__pycache__", ".*_cache")
    return Path(shutil.copytree(EXAMPLES / name, folder / name, ignore=ignored))


def pasted(project: Path) -> str:
    """What `convexpy run` answers to the line of the README that is there to be pasted."""
    line = next(line.strip() for line in (project / "README.md").read_text().splitlines() if "  convexpy run" in line)
    ran = run(project, *shlex.split(line))
    assert ran.returncode == 0, ran.stderr
    answer: str = json.loads(ran.stdout)
    return answer


def wait_for(process: Process, pattern: str) -> None:
    """Until it has printed this line, lines that other waits have passed included."""
    if not any(re.search(pattern, line) for line in process.lines):
        process.line(pattern)


@pytest.mark.parametrize("name", NAMES)
def test_the_tests_of_an_example_pass(name: str) -> None:
    is_installed = any(each.value == "convexpy.pytest_plugin" for each in entry_points(group="pytest11"))
    plugin = [] if is_installed else ["-p", "convexpy.pytest_plugin"]
    ran = run(EXAMPLES / name, "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", *plugin)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(r"^\d+ passed in", ran.stdout, re.MULTILINE), ran.stdout


@pytest.mark.parametrize("name", NAMES)
def test_the_types_of_an_example_are_strict(name: str) -> None:
    with one_mypy_at_a_time():
        ran = run(EXAMPLES / name, *MYPY, MYPYPATH=str(ROOT))
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("name", NAMES)
def test_the_readme_of_an_example_is_short_and_has_a_line_to_paste(name: str) -> None:
    text = (EXAMPLES / name / "README.md").read_text()
    assert text.count("    convexpy run ") == 1
    assert len(text.splitlines()) <= 16


def test_the_shop_comes_to_life_and_charges_a_pasted_order(tmp_path: Path) -> None:
    project = copied("shop", tmp_path)
    with Process(project, "dev", env=ENVIRONMENT) as dev:
        wait_for(dev, "^ready in")
        wait_for(dev, r"\[mail\] to ada: Welcome")
        order_id = pasted(project)
        wait_for(dev, rf"\[bank\] 4\.20 € for order {order_id[:8]}")
        wait_for(dev, r"action +orders:charge .* ok")
        assert dev.stop() == 0
        assert not any("failed" in line for line in dev.lines), "\n".join(dev.lines)


def test_a_pasted_payment_succeeds_at_its_third_attempt(tmp_path: Path) -> None:
    project = copied("retries", tmp_path)
    with Process(project, "dev", env=ENVIRONMENT) as dev:
        wait_for(dev, "^ready in")
        payment_id = pasted(project)
        wait_for(dev, r"\[provider\] 4\.20 € taken, at attempt 3")
        wait_for(dev, "mutation payments:on_complete .* ok")
        assert dev.stop() == 0
        shown = run(project, "convexpy", "run", "payments:get_payment", json.dumps({"payment_id": payment_id}))
        assert json.loads(shown.stdout) == {"status": "charged", "failures": 2, "error": None}


def test_a_payment_survives_that_its_process_is_killed_in_the_middle(tmp_path: Path) -> None:
    project = copied("retries", tmp_path)
    (project / "billing/provider.py").write_text(SILENT_PROVIDER)
    soon = ENVIRONMENT | {"CONVEXPY_HEARTBEAT_INTERVAL": "0.2", "CONVEXPY_HEARTBEAT_TIMEOUT": "1"}
    with Process(project, "dev", env=soon) as killed:
        wait_for(killed, "^ready in")
        payment_id = pasted(project)
        wait_for(killed, "the provider was asked")
        killed.stop(signal.SIGKILL)
    with Process(project, "dev", env=soon) as dev:
        wait_for(dev, "mutation payments:on_complete .* ok")
        assert dev.stop() == 0
    assert (project / "billing/asked").read_text().split() == [payment_id, payment_id]
    shown = run(project, "convexpy", "run", "payments:get_payment", json.dumps({"payment_id": payment_id}))
    assert json.loads(shown.stdout) == {"status": "charged", "failures": 1, "error": None}
