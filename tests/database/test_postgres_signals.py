"""Processes on one PostgreSQL server hear of each other's commits, long before they would look by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from threading import Event

import pytest
from servers.postgres import NoServer, Server, server

from convexpy import Settings
from convexpy.database.database import connect


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    try:
        with server() as made:
            yield made
    except NoServer as error:
        pytest.skip(str(error))


def test_a_commit_elsewhere_is_heard(running: Server) -> None:
    settings = Settings(poll_interval=timedelta(hours=1))
    one, other = connect(running.url(), settings), connect(running.url(), settings)
    listens, heard = Event(), Event()

    def hear() -> None:
        (heard if listens.is_set() else listens).set()  # the first call says that it listens from now on

    one.signals.watch(hear)
    try:
        assert listens.wait(20), "it does not come to listen"
        other.signals.send()
        assert heard.wait(20), "it listens, and does not hear"
    finally:
        one.close()
        other.close()
