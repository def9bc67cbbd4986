"""Both databases, and an app with the functions of the test file itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from servers.shared import postgres_url

from convexpy.testing import ConvexTest


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> str | None:
    """The URL of a server, on which the kit makes a database for the test. None: a SQLite file of the kit's own."""
    return None if request.param == "sqlite" else postgres_url().render_as_string(hide_password=False)


@pytest.fixture
def convex(request: pytest.FixtureRequest, database: str | None) -> Iterator[ConvexTest]:
    with ConvexTest(request.module, database_url=database) as convex:
        yield convex
