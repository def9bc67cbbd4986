"""An app on a PostgreSQL database, and a network between them that the test controls."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from app.models import Base
from servers.shared import Template, drop
from servers.wire import Wire, wire
from sqlalchemy import URL, NullPool, create_engine

from convexpy import Convex, Settings
from convexpy.database.claim import Claim
from convexpy.functions.declare import Kind

TEMPLATE = Template(Base.metadata)
# The defaults, only faster.
QUICK: dict[str, Any] = {"retry_first": 0.01, "retry_longest": 0.1, "poll_interval": 0.2, "heartbeat_interval": 1.0}


@pytest.fixture
def url() -> Iterator[URL]:
    """A new database."""
    copy = TEMPLATE.copy()
    yield copy
    drop(copy)


@pytest.fixture
def network(url: URL) -> Iterator[Wire]:
    """The connection to the server, which the test may cut."""
    assert url.port is not None
    with wire(url.port) as made:
        yield made


@pytest.fixture
def far_url(url: URL, network: Wire) -> URL:
    """The same database, through the network."""
    return url.set(port=network.port)


@pytest.fixture
def convex(request: pytest.FixtureRequest, far_url: URL) -> Iterator[Convex]:
    """The functions of the test file, on the other side of the network."""
    text = far_url.render_as_string(hide_password=False)
    with Convex(text, functions=request.module, metadata=Base.metadata, settings=Settings(**QUICK)) as convex:
        yield convex


@pytest.fixture
def near(request: pytest.FixtureRequest, url: URL) -> Iterator[Convex]:
    """The same app on this side of the network: it can schedule, whatever the network does."""
    text = url.render_as_string(hide_password=False)
    with Convex(text, functions=request.module, metadata=Base.metadata, settings=Settings(**QUICK)) as convex:
        yield convex


def rows(url: URL, statement: str) -> list[Any]:
    """The rows of a statement, past the app."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        return list(connection.exec_driver_sql(statement).all())


def execute(url: URL, statement: str) -> None:
    """Execute a statement, past the app."""
    with create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT").connect() as connection:
        connection.exec_driver_sql(statement)


def claim_due(convex: Convex, kind: Kind) -> Claim:
    """Claim the one job there is. Each app estimates the server's time, so it may be due here a moment later."""
    deadline = time.monotonic() + 60
    while not (claims := convex.worker.dispatcher.claim(kind, 1)):
        assert time.monotonic() < deadline, "it is never due"
    return claims[0]
