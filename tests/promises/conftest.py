"""The databases and the two apps on which the promises are shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from app.models import Base
from batches import PATIENCE_SECONDS
from cron_app import ran, unlucky
from servers.shared import Template, drop
from stage import START

from convexpy.dispatch import batch_policy, mutation_pool
from convexpy.runtime.transaction import TransactionRunner
from convexpy.testing import ConvexTest
from convexpy.testing.database import copy_of_template

DATABASES = ("sqlite", "postgres")
TEMPLATE = Template(Base.metadata)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "promise(*lines): the lines of the checklist that a test shows")


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database that nobody has used. Its tables are there already, which is faster."""
    if request.param == "sqlite":
        yield f"sqlite:///{copy_of_template(Base.metadata, tmp_path)}"
        return
    copy = TEMPLATE.copy()
    yield copy.render_as_string(hide_password=False)
    drop(copy)


@pytest.fixture
def convex(request: pytest.FixtureRequest, database: str) -> Iterator[ConvexTest]:
    """The functions of the test file itself: an app that is one file."""
    with ConvexTest(request.module, metadata=Base.metadata, database_url=database, now=START) as convex:
        yield convex


@pytest.fixture
def shop(database: str) -> Iterator[ConvexTest]:
    """The example app, a package."""
    with ConvexTest("app", metadata=Base.metadata, database_url=database, now=START) as convex:
        yield convex


@pytest.fixture
def nothing_ran() -> None:
    """The app with crons has written nothing down yet, and is in luck."""
    ran.clear()
    unlucky.reset()


@pytest.fixture
def no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch has time, and every function counts as quick."""
    monkeypatch.setattr(TransactionRunner, "batch_seconds", PATIENCE_SECONDS)
    monkeypatch.setattr(mutation_pool, "BATCH_SECONDS", PATIENCE_SECONDS)
    monkeypatch.setattr(batch_policy, "QUICK_SECONDS", PATIENCE_SECONDS)
    monkeypatch.setattr(batch_policy, "MAYBE_QUICK_SECONDS", PATIENCE_SECONDS)
