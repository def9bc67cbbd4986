"""Jobs for the workers of a server under measurement: so many a second, or as many as they can."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from convexpy import Convex
from convexpy.database.tables import queue

from .demo_server import DemoServer

BURSTS_A_SECOND = 10
MOST_AT_ONCE = 1_000
PATIENCE_SECONDS = 300.0


class Feeder:
    """Schedules jobs, spread over each second, from a thread of this process."""

    def __init__(self, server: DemoServer, rate: int) -> None:
        self._server = server
        self._count = max(1, rate // BURSTS_A_SECOND)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        with opened(self._server) as convex:
            began, number = time.monotonic(), 0
            while not self._stopped.is_set():
                convex.call("load:burst", {"count": self._count})
                number += 1
                self._stopped.wait(max(0.0, began + number / BURSTS_A_SECOND - time.monotonic()))

    def __enter__(self) -> Feeder:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()


def drained(server: DemoServer, number: int) -> float:
    """Jobs a second that the server's worker runs, of so many that are due at the same time."""
    with opened(server) as convex:
        when = convex.clock.now() + timedelta(seconds=2 + number / 5_000)
        for first in range(0, number, MOST_AT_ONCE):
            count = min(MOST_AT_ONCE, number - first)
            convex.call("load:fill", {"count": count, "when": when.isoformat()})
        left = (when - convex.clock.now()).total_seconds()
        assert left > 0, "scheduling took longer than expected"
        time.sleep(left)
        began = time.monotonic()
        while True:
            with convex.database.read_internal() as connection:
                if not is_waiting(connection, when):
                    return number / (time.monotonic() - began)
            assert time.monotonic() < began + PATIENCE_SECONDS, f"{number} jobs were not done in time"
            time.sleep(0.02)


def is_waiting(connection: Connection, when: datetime) -> bool:
    """Whether a mutation that was due at a time is not done. Both looks are into small indexes."""
    due = select(queue.c.job_id).where(queue.c.kind == "mutation", queue.c.worker.is_(None), queue.c.due_time <= when)
    claimed = select(queue.c.job_id).where(queue.c.worker.is_not(None), queue.c.due_time <= when)
    return any(connection.execute(each.limit(1)).first() is not None for each in (due, claimed))


@contextmanager
def opened(server: DemoServer) -> Iterator[Convex]:
    """The server's app in this process, on the same database."""
    convex = Convex.from_project(server.project, database=server.database)
    try:
        yield convex
    finally:
        convex.close()
