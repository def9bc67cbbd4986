"""Both databases, and an app with the functions of the test file itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from servers.shared import drop, new_database

from convexpy.testing import ConvexTest


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """The URL of an empty database. None stands for a SQLite file of the kit's own."""
    if request.param == "sqlite":
        yield None
        return
    url = new_database()
    yield url.render_as_string(hide_password=False)
    drop(url)


@pytest.fixture
def convex(request: pytest.FixtureRequest, database: str | None) -> Iterator[ConvexTest]:
    with ConvexTest(request.module, database_url=database) as convex:
        yield convex
