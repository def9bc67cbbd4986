"""What one process tells the others, on PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg
from sqlalchemy import URL

from convexpy import Settings
from convexpy.database.database import connect
from convexpy.database.postgres.notifier import CHANNEL


@contextmanager
def ear_on(url: URL) -> Iterator[psycopg.Connection]:
    """Somebody who listens."""
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as ear:
        ear.execute(f"LISTEN {CHANNEL}")
        yield ear


def test_what_was_committed_just_before_the_end_is_told(url: URL) -> None:
    """As by `convexpy run`: a worker would find the job seconds later."""
    with ear_on(url) as ear:
        for _ in range(10):
            database = connect(url, Settings())
            database.signals.send()
            database.close()
            assert len(list(ear.notifies(timeout=10, stop_after=1))) == 1


def test_many_commits_at_once_are_one_word_and_the_last_is_not_lost(url: URL) -> None:
    with ear_on(url) as ear:
        database = connect(url, Settings())
        for _ in range(1000):
            database.signals.send()
        assert list(ear.notifies(timeout=10, stop_after=1)) != []
        database.signals.send()
        database.close()
        heard = list(ear.notifies(timeout=1))
    assert 1 <= len(heard) < 100


def test_the_word_goes_along_with_the_connection_that_committed_or_else_without_it(url: URL) -> None:
    with closing(connect(url, Settings())) as database, ear_on(url) as ear:
        with database.write() as held:
            held.commit()
            database.signals.send(held)
            assert "convexpy-notify" not in {thread.name for thread in threading.enumerate()}  # nobody was woken
            assert len(list(ear.notifies(timeout=10, stop_after=1))) == 1
        with closing(connect(url, Settings())) as another, another.write() as held:
            held.driver.close()
            another.signals.send(held)
            assert len(list(ear.notifies(timeout=10, stop_after=1))) == 1
