"""The app's connections as the server sees them, and a superuser's connection to look at them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, Final

import psycopg

from .targets import Targets

OF_THE_APP: Final = "usename = 'app' AND backend_type = 'client backend'"
DATABASE: Final = "chaos"
BACK_SECONDS: Final = 15.0


@contextmanager
def superuser(targets: Targets) -> Iterator[psycopg.Connection[Any]]:
    """A connection past the proxy, in autocommit. It waits for a server that another fault has just ended."""
    assert targets.server is not None
    deadline = time.monotonic() + BACK_SECONDS
    while True:
        try:
            connection = psycopg.connect(targets.server.dsn(DATABASE), autocommit=True, connect_timeout=5)
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            targets.wait(0.2)
        else:
            break
    with closing(connection):
        yield connection


def backends(connection: psycopg.Connection[Any], condition: str = "true") -> list[int]:
    """The process ids of the app's backends that are in some state."""
    query = f"SELECT pid FROM pg_stat_activity WHERE {OF_THE_APP} AND {condition} ORDER BY pid"
    return [row[0] for row in connection.execute(query).fetchall()]


def one(found: list[int], target: int) -> int | None:
    return found[target % len(found)] if found else None


def value(connection: psycopg.Connection[Any], query: str) -> Any:
    row = connection.execute(query).fetchone()
    return row[0] if row else None
