"""Workers that start at the same moment store the crons once, and all of them start."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from sqlalchemy import URL

from convexpy import Convex, Crons, MutationCtx, mutation
from convexpy.database import crons as stored

from .conftest import rows

# In this database: others on the server may be waiting as well.
WAITING = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@mutation
def tidy(ctx: MutationCtx) -> None:
    """Nothing to tidy."""


def test_two_workers_that_start_together_store_a_cron_once(near: Convex, url: URL) -> None:
    crons = Crons()
    crons.interval("tidy", timedelta(hours=1), tidy)
    assert not crons.resolve(near.registry)
    cron = crons.definitions["tidy"]
    values = {"name": "tidy", "schedule": cron.timetable.text, "function": cron.function, "args": cron.stored_args}
    with ThreadPoolExecutor(1) as threads:
        with near.database.write_internal() as connection:  # another worker, in the middle of the same
            stored.lock_crons(connection)
            stored.add_cron(connection, {**values, "next_time": near.clock.now()})
            adopting = threads.submit(near.worker.crons.adopt, crons, near.registry)
            deadline = time.monotonic() + 60
            while not rows(url, WAITING):
                assert time.monotonic() < deadline, "it does not wait for the other one"
        adopting.result()
    assert rows(url, "SELECT name FROM _convexpy_crons") == [("tidy",)]
