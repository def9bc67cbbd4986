"""Processes on one PostgreSQL server are notified of each other's commits."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from threading import Event

import psycopg
from sqlalchemy import URL

from convexpy import Settings
from convexpy.database.database import connect
from convexpy.database.postgres.notifier import CHANNEL


@contextmanager
def listening_on(url: URL) -> Iterator[psycopg.Connection]:
    """Another client's connection that listens."""
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as listener:
        listener.execute(f"LISTEN {CHANNEL}")
        yield listener


def test_a_commit_of_another_process_is_received(url: URL) -> None:
    settings = Settings(poll_interval=timedelta(hours=1))
    one, other = connect(url, settings), connect(url, settings)
    is_listening, received = Event(), Event()

    def callback() -> None:
        (received if is_listening.is_set() else is_listening).set()  # the first call comes right after LISTEN

    one.notifier.listen(callback)
    try:
        assert is_listening.wait(60)
        other.notifier.notify()
        assert received.wait(60)
    finally:
        one.close()
        other.close()


def test_close_sends_what_is_pending(url: URL) -> None:
    """As by `convexpy run`: a worker would find the job seconds later."""
    with listening_on(url) as listener:
        for _ in range(10):
            database = connect(url, Settings())
            database.notifier.notify()
            database.close()
            assert len(list(listener.notifies(timeout=60, stop_after=1))) == 1


def test_many_commits_are_coalesced_and_the_last_is_not_lost(url: URL) -> None:
    with listening_on(url) as listener:
        database = connect(url, Settings())
        for _ in range(1000):
            database.notifier.notify()
        assert list(listener.notifies(timeout=60, stop_after=1)) != []
        database.notifier.notify()
        database.close()
        received = list(listener.notifies(timeout=1))
    assert 1 <= len(received) < 100


def test_it_is_sent_on_the_connection_that_committed_or_else_without_it(url: URL) -> None:
    with closing(connect(url, Settings())) as database, listening_on(url) as listener:
        with database.write() as transaction:
            transaction.commit()
            database.notifier.notify(transaction.driver)
            assert "convexpy-notify" not in {thread.name for thread in threading.enumerate()}
            assert len(list(listener.notifies(timeout=60, stop_after=1))) == 1
        with closing(connect(url, Settings())) as another, another.write() as transaction:
            transaction.driver.close()
            another.notifier.notify(transaction)
            assert len(list(listener.notifies(timeout=60, stop_after=1))) == 1
