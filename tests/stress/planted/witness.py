"""A plugin of pytest's that makes sure which package is tested, and writes down what became of every test."""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

VARIABLE = "PLANTED_WITNESS"
WRONG_PACKAGE = 70

_seen: dict[str, list[Any]] = {"passed": [], "failed": [], "broken": [], "skipped": []}


def pytest_sessionstart() -> None:
    import convexpy

    if not Path(convexpy.__file__).is_relative_to(Path.cwd()):
        pytest.exit(f"the package under test is {convexpy.__file__}, not the copy in {Path.cwd()}", WRONG_PACKAGE)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    report = yield
    if report.skipped:
        _seen["skipped"].append(item.nodeid)
    elif report.failed:
        assert call.excinfo is not None
        is_failure = call.when == "call" and not call.excinfo.errisinstance((ImportError, NameError, SyntaxError))
        _seen["failed" if is_failure else "broken"].append([item.nodeid, call.excinfo.exconly(tryshort=True)])
    elif call.when == "call":
        _seen["passed"].append(item.nodeid)
    return report


def pytest_sessionfinish() -> None:
    Path(os.environ[VARIABLE]).write_text(json.dumps(_seen), "utf-8")
