"""A network that breaks while a connection is being made, at any byte, is an internal error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from sqlalchemy import URL
from stress.chaos.tap import Break, Direction, Tap

from convexpy import DatabaseError, Settings
from convexpy.database.database import connect
from convexpy.database.errors import is_internal

STEP = 61  # bytes; every one of them takes a minute
GROWTH = 8
"""After so many steps, they grow: what is read of the catalog is tens of kilobytes long."""


@pytest.fixture
def tap(url: URL) -> Iterator[Tap]:
    assert url.port is not None
    made = Tap(url.port)
    yield made
    made.close()


@pytest.mark.parametrize("direction", ["to the server", "to the app"])
def test_a_break_before_the_first_commit_is_an_internal_error(url: URL, tap: Tap, direction: Direction) -> None:
    plain = {"sslmode": "disable", "gssencmode": "disable"}  # so that each byte is one of the transaction's
    far = url.set(port=tap.port).update_query_dict(plain)
    mistaken: list[str] = []
    after = 0
    while True:
        tap.arm(Break(direction, after))
        try:
            with closing(connect(far, Settings(listen_notify=False))) as database, database.write() as held:
                held.commit()
        except Exception as error:
            if not (is_internal(error) or isinstance(error, DatabaseError)):
                mistaken.append(f"byte {after}: {error!r}")
        if tap.disarm():  # it was not reached
            break
        after += max(STEP, after // GROWTH)
    assert after > 5 * STEP
    assert mistaken == []
