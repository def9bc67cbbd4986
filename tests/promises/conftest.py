"""The example app, under test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from app.models import Base
from support.apps import START
from support.prepared import PreparedTest

from convexpy.testing import ConvexTest


@pytest.fixture
def shop(database: str) -> Iterator[ConvexTest]:
    """The example app, a package."""
    with PreparedTest("app", metadata=Base.metadata, database_url=database, now=START) as convex:
        yield convex
