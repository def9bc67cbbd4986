"""Puts this folder on the import path, so that tests can import ``app``, ``servers`` and ``support``.

Its fixtures are those of several folders. Imports are inside of them: most folders need none.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from convexpy.testing import ConvexTest

# A minute of waiting for a silent network, and what starts many processes.
LONG = ("test_a_primary_cut_off", "test_examples.py", "test_init.py", "test_supervisor.py", "test_seeds.py")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        # Processes share what one of them has compiled. Before pytest starts they have been told not to write it down.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    gc.disable()  # until the tests are collected, and nothing of that is garbage
    config.addinivalue_line("markers", "promise(*lines): the lines of the checklist that a test shows")
    config.addinivalue_line("markers", "long: left out, unless `-m long` or `-m ''` asks for it")
    config.addinivalue_line("markers", "in_turns: its variants take turns on the databases; the others are long")


@pytest.hookimpl(tryfirst=True)  # before those marked are left out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    take_turns(items)
    # What takes long comes first: last, it would leave one worker alone.
    items.sort(key=lambda item: not any(name in item.nodeid for name in LONG))


def take_turns(items: list[pytest.Item]) -> None:
    """Of tests that are ``in_turns``: the first variant is for each database, the second for the second one, and so on.

    Their variants differ in what has been decided before a database is asked.
    """
    variants: dict[str, dict[object, int]] = {}
    for item in items:
        if item.get_closest_marker("in_turns") is None:
            continue
        assert isinstance(item, pytest.Function)
        indices = dict(item.callspec.indices)
        database = indices.pop("database")
        numbers = variants.setdefault(item.nodeid.partition("[")[0], {})
        number = numbers.setdefault(tuple(indices.items()), len(numbers))
        if number > 0 and (number + database) % 2:
            item.add_marker(pytest.mark.long)


def pytest_collection_finish() -> None:
    gc.enable()
    gc.set_threshold(10_000, 20, 20)  # as `convexpy start` does: it took an eighth of the time of a test
    # Every collection of garbage from here on, and pytest asks for several, skips what the imports have made.
    gc.freeze()


@pytest.fixture(params=("sqlite", "postgres"))
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database that no test has used, with the tables of convexpy and of the example app."""
    from support.databases import new_database

    yield from new_database(request.param, tmp_path)


@pytest.fixture
def convex(request: pytest.FixtureRequest, database: str) -> Iterator[ConvexTest]:
    """The functions of the test file itself: an app that is one file."""
    from app.models import Base
    from support.apps import START
    from support.prepared import PreparedTest

    with PreparedTest(request.module, metadata=Base.metadata, database_url=database, now=START) as convex:
        yield convex


@pytest.fixture
def no_cron_ran() -> None:
    """The app with crons has recorded no run, and meets no errors."""
    from support import cron_app

    cron_app.ran.clear()
    cron_app.planned.reset()
