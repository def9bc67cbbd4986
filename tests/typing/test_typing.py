"""What type checkers see of the public interface: every mistake, and nothing where there is none."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.strict import MYPY, one_mypy_at_a_time

FOLDER = Path(__file__).parent
PROJECT = FOLDER.parents[1]
GOOD = (FOLDER / "good_builders.py", FOLDER / "good_calls.py", FOLDER / "good_routes.py")
PLANTED = FOLDER / "planted_mistakes.py"
MARK = "  # error"

Finding = tuple[str, int]


def run(*command: str) -> str:
    """The output of a Python module, or of code after ``-c``."""
    search = os.pathsep.join((str(PROJECT), str(FOLDER)))
    environment = os.environ | {"MYPYPATH": search, "PYTHONPATH": search}
    done = subprocess.run([sys.executable, *command], env=environment, cwd=FOLDER, capture_output=True, text=True)
    assert done.returncode in (0, 1), f"{command} failed: {done.stdout}{done.stderr}"
    return done.stdout


def mypy(folder: Path) -> dict[Finding, str]:
    """What mypy finds with nothing set but ``--strict``: none of this project's own configuration or plugins."""
    files = [str(path) for path in (*GOOD, PLANTED)]
    with one_mypy_at_a_time():
        output = run("-m", *MYPY, "--config-file=", "--show-absolute-path", *files)
    matches = re.finditer(r"^(.+?):(\d+): error: (.*)$", output, re.MULTILINE)
    return {(match[1], int(match[2])): match[3] for match in matches}


def basedpyright(folder: Path) -> dict[Finding, str]:
    """What pyright finds in its standard mode."""
    configuration = folder / "pyrightconfig.json"
    files, search = [str(path) for path in (*GOOD, PLANTED)], [str(PROJECT), str(FOLDER)]
    configuration.write_text(json.dumps({"typeCheckingMode": "standard", "include": files, "extraPaths": search}))
    output = run("-m", "basedpyright", "-p", str(configuration), "--pythonpath", sys.executable, "--outputjson")
    found = json.loads(output)["generalDiagnostics"]
    return {(each["file"], each["range"]["start"]["line"] + 1): each["message"] for each in found}


def planted() -> set[Finding]:
    lines = PLANTED.read_text().splitlines()
    return {(str(PLANTED), number) for number, line in enumerate(lines, 1) if line.endswith(MARK)}


def test_the_correct_calls_are_an_app_that_loads() -> None:
    load = "from convexpy.testing import ConvexTest\nwith ConvexTest('good_calls'): print('loaded')"
    assert run("-c", load) == "loaded\n"


def test_there_are_many_planted_mistakes() -> None:
    assert len(planted()) > 100


@pytest.mark.parametrize("checker", [mypy, basedpyright])
def test_a_checker_sees_every_planted_mistake_and_no_other(
    checker: Callable[[Path], dict[Finding, str]], tmp_path: Path
) -> None:
    found = checker(tmp_path)
    unseen = sorted(planted() - found.keys())
    false_alarms = {finding: message for finding, message in found.items() if finding not in planted()}
    assert not false_alarms
    assert not unseen
