"""The pytest plugin: the fixture ``convex``, an app under test as the project's settings describe it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from .testing import ConvexTest


TEST_DATABASE: Final = "CONVEXPY_TEST_DATABASE"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("convexpy").addoption(
        "--convexpy-database",
        metavar="URL",
        help="A PostgreSQL server: each test of the fixture `convex` gets a database of its own there, dropped at its "
        f"end. By default that of the environment, {TEST_DATABASE}; without either, tests run on SQLite.",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "convex(now=datetime): the start time of the fixture `convex`; by default, now")


@pytest.fixture
def convex(request: pytest.FixtureRequest) -> Iterator[ConvexTest]:
    """A :class:`convexpy.testing.ConvexTest` of the project whose ``pyproject.toml`` is nearest to the test."""
    # Every test run of every project with convexpy installed imports this file, so it imports nothing.
    from .project import load_project
    from .testing import ConvexTest

    project = load_project(request.path.parent)
    metadata = project.find_metadata()
    settings = project.settings.model_copy(update={"sqlite_synchronous": "NORMAL"})
    marker = request.node.get_closest_marker("convex")
    options = {"database_url": server_url(request.config), **(marker.kwargs if marker is not None else {})}
    with ConvexTest(project.functions, metadata=metadata, settings=settings, **options) as convex:
        yield convex


def server_url(config: pytest.Config) -> str | None:
    """The PostgreSQL server for the tests, by option or environment. None: they run on SQLite.

    Raises:
        pytest.UsageError: It is another database.
    """
    url: str = config.getoption("--convexpy-database") or os.environ.get(TEST_DATABASE, "")
    if url in ("", "sqlite://"):
        return None
    if not url.startswith("postgres"):
        raise pytest.UsageError(
            f"--convexpy-database, or {TEST_DATABASE}, is the URL of a PostgreSQL server, such as "
            "postgresql://user:password@host. Without it each test has a SQLite file of its own"
        )
    return url
