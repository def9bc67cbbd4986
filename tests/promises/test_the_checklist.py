"""Every line of the checklist is shown by a test."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
# A promise is shown through the public interface or, where that does not suffice, by a test of a part from inside.
TESTS = sorted(path for folder in ("promises", "dispatch") for path in (ROOT / "tests" / folder).glob("test_*.py"))
LINES = {
    *(f"S{number}" for number in range(1, 19)),
    *(f"C{number}" for number in range(1, 13)),
    *(f"F{number}" for number in range(1, 9)),
}


def test_every_line_of_the_checklist_has_a_test() -> None:
    shown: set[str] = set()
    for file in TESTS:
        for marks in re.findall(r"^(?:@promise|pytestmark = pytest\.mark\.promise)\((.*)\)$", file.read_text(), re.M):
            shown |= set(re.findall(r'"(\w+)"', marks))
    assert shown == LINES


def test_every_test_that_a_table_names_exists() -> None:
    for file in TESTS:
        table, _, code = file.read_text().partition('"""\n\nfrom __future__')
        for name in re.findall(r"\btest_\w+", table):  # a long name may be cut short there
            assert f"def {name}" in code, f"{file.name}: {name}"


def test_every_test_that_the_promises_name_exists() -> None:
    named = set(re.findall(r"`(tests/[\w/]+\.py)`", (ROOT / "docs" / "promises.md").read_text("utf-8")))
    assert len(named) > 10
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []
