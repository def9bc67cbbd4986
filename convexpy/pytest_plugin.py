"""The pytest plugin: the fixture ``convex``, an app under test as the project's settings describe it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .testing import ConvexTest


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
    options = marker.kwargs if marker is not None else {}
    with ConvexTest(project.functions, metadata=metadata, settings=settings, **options) as convex:
        yield convex
