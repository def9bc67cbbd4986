"""A worker that runs what is due, one job after the other, in the thread and the time of the test."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from sqlalchemy import select

from .. import _system
from ..app import Convex
from ..database.tables import jobs, queue
from ..dispatch.worker import try_to
from ..functions.declare import Kind

MANY_RUNS: Final = 10_000


class VirtualWorker:
    """The real dispatcher, crons, recovery and retention, moved by hand."""

    def __init__(self, convex: Convex) -> None:
        self.convex = convex
        self.worker = convex.worker
        self.after_run: Callable[[], None] = lambda: None
        """Called when a job has run, or several at once."""

    def start(self) -> None:
        """Become a worker, as a process does when it starts."""
        self.worker.prepare(self.convex.app)

    def close(self) -> None:
        """Leave, as a process does when it stops: no other worker shall count on this one."""
        try_to(self.worker.heartbeat.leave)
        self.convex.close()

    def run_due(self, most: int = MANY_RUNS) -> int:
        """Run what is due, longest due first. The number of runs."""
        runs = 0
        while True:
            self.fire_crons()
            due = self.next_job()
            if due is None or due[0] > self.convex.clock.now():
                return runs
            if runs >= most:
                raise RuntimeError(f"{self.pending_names()} still due after {MANY_RUNS} runs: is it endless?")
            runs += self.run_some(due[1])
            self.after_run()

    def run_round(self) -> bool:
        """Run everything that is due at this moment, in the order it was scheduled. False: it does not count."""
        kinds = (Kind.MUTATION, Kind.ACTION)
        claims = [claim for kind in kinds for claim in self.worker.dispatcher.claim(kind, MANY_RUNS)]
        for claim in sorted(claims, key=lambda claim: (claim.scheduled_time, claim.position)):
            self.worker.run(claim)
            self.after_run()
        return True

    def run_some(self, kind: Kind) -> int:
        """Run the job of this kind that is due longest."""
        self.worker.run_due(kind)
        return 1

    def fire_crons(self) -> None:
        while self.worker.crons.tick() == 0.0:
            pass

    def maintain(self) -> None:
        self.worker.heartbeat.tick()
        for _ in range(2):  # a silent worker, and an untracked job, must be found so twice
            self.worker.recovery.recover_dead()
            self.worker.recovery.reclaim()
            self.worker.unknown.tick(self.worker.executor.fail_unknown, lambda: None)
        self.worker.crons.reconcile()
        self.worker.clock_watch.tick()
        while self.worker.retention.purge():
            pass

    def next_job(self) -> tuple[datetime, Kind] | None:
        """When the next job is due, and its kind."""
        first = select(queue.c.due_time, queue.c.kind).join(jobs, jobs.c.id == queue.c.job_id)
        first = first.where(queue.c.worker.is_(None), jobs.c.name.not_in(self.worker.unknown.names))
        with self.convex.database.read_internal() as connection:
            row = connection.execute(first.order_by(queue.c.due_time, queue.c.position).limit(1)).one_or_none()
        return None if row is None else (row.due_time, Kind(row.kind))

    def next_moment(self) -> datetime | None:
        """When the next job or cron is due."""
        job = self.next_job()
        slot = self.worker.crons.next_slot()
        return min((moment for moment in (job and job[0], slot) if moment is not None), default=None)

    def pending_names(self) -> str:
        """The functions of the jobs that wait, for errors."""
        pending = self.convex.run(_system.jobs.list, state="pending", limit=10_000)
        return ", ".join(sorted({job.name for job in pending}))
