"""A plugin of pytest that checks which package is tested, and records the outcome of every test."""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

VARIABLE = "PLANTED_OUTCOMES"
WRONG_PACKAGE = 70

_outcomes: dict[str, list[Any]] = {"passed": [], "failed": [], "broken": [], "skipped": []}


def pytest_sessionstart() -> None:
    import convexpy

    if not Path(convexpy.__file__).is_relative_to(Path.cwd()):
        pytest.exit(f"the package under test is {convexpy.__file__}, not the copy in {Path.cwd()}", WRONG_PACKAGE)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    report = yield
    if report.skipped:
        _outcomes["skipped"].append(item.nodeid)
    elif report.failed:
        assert call.excinfo is not None
        is_failure = call.when == "call" and not call.excinfo.errisinstance((ImportError, NameError, SyntaxError))
        _outcomes["failed" if is_failure else "broken"].append([item.nodeid, call.excinfo.exconly(tryshort=True)])
    elif call.when == "call":
        _outcomes["passed"].append(item.nodeid)
    return report


def pytest_sessionfinish() -> None:
    Path(os.environ[VARIABLE]).write_text(json.dumps(_outcomes), "utf-8")
