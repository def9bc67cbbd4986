"""The list of bugs fits the code, and two are really planted and caught; ``python -m tests.stress.planted`` does them all."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from .bug import Bug, NotThere
from .bugs import BUGS
from .hunt import hunt, inner_environment, outer_environment
from .project import ROOT

QUICK = ("start record not forced to the disk", "a past time jumps the queue")


def named(name: str) -> Bug:
    (found,) = [bug for bug in BUGS if bug.name == name]
    return found


def test_there_are_many_and_each_has_a_name_of_its_own() -> None:
    assert len(BUGS) >= 25
    assert Counter(bug.name for bug in BUGS).most_common(1)[0][1] == 1


def test_every_bug_fits_the_code_and_leaves_python_in_which_every_name_is_known(tmp_path: Path) -> None:
    for number, bug in enumerate(BUGS):
        file = tmp_path / str(number) / bug.file
        file.parent.mkdir(parents=True)
        shutil.copy(ROOT / "convexpy" / bug.file, file)
        bug.plant(tmp_path / str(number))
        assert file.read_text("utf-8") != (ROOT / "convexpy" / bug.file).read_text("utf-8")
    rules = ["--isolated", "--select=F821,F822,F823"]
    checked = subprocess.run(
        [sys.executable, "-m", "ruff", "check", *rules, tmp_path], capture_output=True, text=True, timeout=60
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_test_that_the_list_names_exists() -> None:
    tests = sorted({test for bug in BUGS for test in bug.tests})
    collected = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "0", "-q", "--collect-only", "-p", "no:cacheprovider", *tests],
        cwd=ROOT,
        env={**outer_environment(), **inner_environment(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert collected.returncode == 0, collected.stdout + collected.stderr
    # Beside the whole test, pytest does not say that it knows none with these parameters.
    found = set(collected.stdout.splitlines())
    found |= {name.partition(mark)[0] for name in found for mark in ("[", "::")}
    assert [test for test in tests if test not in found] == []


@pytest.mark.parametrize("name", QUICK)
def test_a_planted_bug_is_caught(name: str) -> None:
    run = hunt(named(name), {})
    assert run.caught, run.said


def test_a_change_that_is_no_bug_is_not_called_caught() -> None:
    bug = named(QUICK[0])
    run = hunt(replace(bug, new=f"{bug.old}  # as before"), {})
    assert run.clean, run.said
    assert not run.caught


def test_a_copy_that_cannot_even_be_imported_is_not_called_caught() -> None:
    bug = named(QUICK[0])
    run = hunt(replace(bug, file="errors.py", old="from __future__ import annotations\n", new="nothing\n"), {})
    assert run.exit_code != 0
    assert not run.caught


def test_a_bug_that_the_code_has_left_behind_says_so(tmp_path: Path) -> None:
    (tmp_path / "file.py").write_text("twice\ntwice\n")
    for old, times in (("gone", 0), ("twice", 2)):
        bug = Bug("x", "nothing", "file.py", old, "new", ())
        with pytest.raises(NotThere, match=f"occurs {times} times there, not once"):
            bug.plant(tmp_path)
