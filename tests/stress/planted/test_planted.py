"""The list of bugs fits the code, and two are planted and caught; ``python -m tests.stress.planted`` plants all."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from .bug import Bug, TextNotFound
from .bugs import BUGS
from .project import ROOT
from .runs import inner_environment, outer_environment, run_with_bug

QUICK = ("start record not forced to the disk", "a past time jumps the queue")


def named(name: str) -> Bug:
    (found,) = [bug for bug in BUGS if bug.name == name]
    return found


def test_there_are_many_bugs_and_each_name_is_unique() -> None:
    assert len(BUGS) >= 25
    assert Counter(bug.name for bug in BUGS).most_common(1)[0][1] == 1


def test_every_bug_fits_the_code_and_leaves_no_undefined_name(tmp_path: Path) -> None:
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
        [sys.executable, "-m", "pytest", "-n", "0", "-m", "", "-q", "--collect-only", "-p", "no:cacheprovider", *tests],
        cwd=ROOT,
        env={**outer_environment(), **inner_environment(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert collected.returncode == 0, collected.stdout + collected.stderr
    # If the whole test is named as well, pytest does not report unknown parameters.
    found = set(collected.stdout.splitlines())
    found |= {name.partition(mark)[0] for name in found for mark in ("[", "::")}
    assert [test for test in tests if test not in found] == []


@pytest.mark.parametrize("name", [QUICK[0], pytest.param(QUICK[1], marks=pytest.mark.long)])
def test_a_planted_bug_is_caught(name: str) -> None:
    run = run_with_bug(named(name), {})
    assert run.caught, run.output


def test_a_change_that_is_no_bug_is_not_caught() -> None:
    bug = named(QUICK[0])
    run = run_with_bug(replace(bug, new=f"{bug.old}  # as before"), {})
    assert run.clean, run.output
    assert not run.caught


def test_a_copy_that_cannot_be_imported_is_not_caught() -> None:
    bug = named(QUICK[0])
    run = run_with_bug(replace(bug, file="errors.py", old="from __future__ import annotations\n", new="nothing\n"), {})
    assert run.exit_code != 0
    assert not run.caught


def test_a_bug_whose_text_is_gone_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file.py").write_text("twice\ntwice\n")
    for old, times in (("gone", 0), ("twice", 2)):
        bug = Bug("x", "nothing", "file.py", old, "new", ())
        with pytest.raises(TextNotFound, match=f"occurs {times} times there, not once"):
            bug.plant(tmp_path)
