"""The figures of one minute."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from convexpy import Convex
from stress.faults.child_process import wait_until

from .app import work

SAMPLES = 20
PATIENCE_SECONDS = 120.0
SIZE = {
    "postgresql": "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND relname IN "
    "('_scheduled_functions', '_convexpy_queue', '_convexpy_finished', '_convexpy_commits')",
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
}


@dataclass
class Minute:
    """Milliseconds are medians."""

    number: int
    rate: float
    schedule_ms: float
    status_ms: float
    cancel_ms: float
    start_ms: float
    cron_late_ms: float | None
    megabytes: float
    held: bool
    stolen_percent: float
    """Processor time that went to other virtual machines: everything is slower for it."""

    def line(self) -> str:
        late = "-" if self.cron_late_ms is None else f"{self.cron_late_ms:.0f}"
        return (
            f"minute {self.number:3}{' (held)' if self.held else '       '} {self.rate:7,.0f} jobs/s  "
            f"schedule {self.schedule_ms:6.2f}  status {self.status_ms:5.2f}  cancel {self.cancel_ms:6.2f}  "
            f"start {self.start_ms:6.2f}  cron late {late} ms  {self.megabytes:,.0f} MB  "
            f"stolen {self.stolen_percent:.0f} %"
        )


def measure(convex: Convex, number: int, rate: float, *, held: bool, stolen: float) -> Minute:
    """Take the times, twenty of each in turn."""
    times: dict[str, list[float]] = {"schedule": [], "status": [], "cancel": [], "start": []}

    def timed(what: str, do: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        done = do()
        times[what].append((time.perf_counter() - began) * 1000)
        return done

    for _ in range(SAMPLES):
        job = timed("schedule", lambda: convex.run(work.place))
        found = timed("status", lambda job=job: convex.run(work.status, job_id=job))
        timed("cancel", lambda job=job: convex.run(work.cancel, job_id=job))
        then = convex.run(work.status, job_id=job)
        if (found, then) != ("pending", "canceled"):
            raise RuntimeError(f"job {job} was {found}, and then {then}")
        times["start"].append(start(convex))
    late = convex.run(work.lateness)
    with convex.database.read_internal() as connection:
        size = float(connection.execute(text(SIZE[connection.dialect.name])).scalar_one() or 0)
    medians = {what: statistics.median(values) for what, values in times.items()}
    return Minute(
        number,
        rate,
        medians["schedule"],
        medians["status"],
        medians["cancel"],
        medians["start"],
        None if late is None else late * 1000,
        size / 1e6,
        held,
        stolen,
    )


def start(convex: Convex) -> float:
    """How many milliseconds after it was scheduled for now an action is over that does nothing, in the worker."""
    job = convex.run(work.act)
    wait_until(lambda: convex.run(work.status, job_id=job) == "success", f"the action {job} is over", PATIENCE_SECONDS)
    seconds = convex.run(work.seconds, job_id=job)
    return seconds * 1000
