"""Failures as the engine records them: one of each kind is run, and what it leaves is what the history copies."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from convexpy import Convex
from convexpy.database.jobs import NewJob, insert_jobs
from convexpy.database.tables import errors, jobs, queue
from convexpy.database.types import new_job_id

from .shop_rows import SOLD_OUT

PATIENCE_SECONDS = 60.0
UNKNOWN_ORDER = "0" * 32
# Of each function that fails: its kind, and arguments with which it does.
FAILING: dict[str, tuple[str, dict[str, Any]]] = {
    "orders:charge": ("action", {"order_id": "5eed" * 8}),
    "mail:send": ("action", {"to": "grace", "text": "Your tea is on its way"}),
    "stock:take": ("mutation", {"item_id": SOLD_OUT, "quantity": 40}),
    "maintenance:refresh_prices": ("mutation", {"supplier": "silent"}),
    "orders:ship": ("mutation", {"order_id": UNKNOWN_ORDER}),
}


@dataclass(frozen=True)
class Samples:
    """What the engine left of the runs: errors with their tracebacks, and the groups of the errors."""

    failures: dict[str, tuple[str, str | None]]
    groups: dict[str, Any]


def run_samples(convex: Convex) -> Samples:
    """Run one job of each kind that fails, and read what is there afterwards."""
    with unheard(), convex.running():  # at its end, what was summed up is stored
        with convex.database.write_internal() as connection:
            now = convex.clock.now()
            insert_jobs(connection, [new_job(name, *FAILING[name], now) for name in FAILING], now)
        wait_until_done(convex)
    with convex.database.read_internal() as connection:
        failed = connection.execute(
            select(jobs.c.name, jobs.c.state_error, jobs.c.state_trace).where(jobs.c.state_kind == "failed")
        )
        failures = {row.name: (row.state_error, row.state_trace) for row in failed}
        groups = {row.function: row for row in connection.execute(select(errors))}
    assert failures.keys() == FAILING.keys(), failures
    return Samples(failures, groups)


@contextmanager
def unheard() -> Iterator[None]:
    """What is run in this block is not logged."""
    logger = logging.getLogger("convexpy.run")
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = False


def new_job(name: str, kind: str, args: dict[str, Any], now: datetime) -> NewJob:
    return NewJob(new_job_id(), name, kind, json.dumps(args), now)


def wait_until_done(convex: Convex) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    waiting = select(queue.c.job_id).where(queue.c.due_time <= convex.clock.now()).limit(1)
    while True:
        with convex.database.read_internal() as connection:
            if connection.execute(waiting).first() is None:
                return
        if time.monotonic() > deadline:
            raise TimeoutError("the jobs of the samples were not done in time")
        time.sleep(0.02)
