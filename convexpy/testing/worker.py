"""A worker that runs what is due, one job after the other, in the thread and the time of the test."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from .._system import jobs
from ..app import Convex
from ..database.claim import Claim
from ..database.jobs import first_due
from ..dispatch.heartbeat import try_to
from ..dispatch.worker import Service
from ..functions.declare import Kind

MANY_RUNS: Final = 10_000


class VirtualWorker:
    """The real dispatcher, crons, recovery and purge, moved by hand."""

    def __init__(self, convex: Convex) -> None:
        self.convex = convex
        self.service = convex.service

    def start(self) -> None:
        """Become a worker, as a process does when it starts."""
        self.service.prepare(self.convex.app)

    def close(self) -> None:
        """Leave, as a process does when it stops: nobody shall count on this one."""
        try_to(self.service.worker.leave)
        self.convex.close()

    def run_due(self, most: int = MANY_RUNS) -> int:
        """Run what is due, longest due first. How many runs it were."""
        runs = 0
        while True:
            self.fire_crons()
            due = self.next_job()
            if due is None or due[0] > self.convex.clock.now():
                return runs
            if runs >= most:
                raise RuntimeError(f"{self.pending_names()} still due after {MANY_RUNS} runs: is it endless?")
            runs += self.run_some(due[1])

    def run_round(self) -> bool:
        """Run everything that is due at this moment, in the order it was scheduled. False: it does not count."""
        claims = [claim for kind in (Kind.MUTATION, Kind.ACTION) for claim in self.claim(kind, MANY_RUNS)]
        for claim in sorted(claims, key=lambda claim: (claim.scheduled_time, claim.position)):
            self.execute(claim)
        return True

    def run_some(self, kind: Kind) -> int:
        """Run the job of this kind that is due longest."""
        for claim in self.claim(kind, 1):
            self.execute(claim)
        return 1

    def fire_crons(self) -> None:
        while self.service.crons.tick() == 0.0:
            pass

    def maintain(self) -> None:
        self.service.worker.tick()
        for _ in range(2):  # who has been silent for long must be found so twice
            self.service.recovery.tick()
        while self.service.purge.batch():
            pass

    def claim(self, kind: Kind, room: int) -> Sequence[Claim]:
        return self.service.dispatcher.claim(kind, room)

    def execute(self, claim: Claim) -> None:
        self._execute(self.service, claim)

    def _execute(self, service: Service, claim: Claim) -> None:
        if claim.kind == Kind.MUTATION:
            service.executor.exactly_once(claim)
        else:
            self.convex.runtime.background.submit(service.executor.at_most_once(claim)).result()

    def next_job(self) -> tuple[datetime, Kind] | None:
        """When the next job is due, and its kind."""
        with self.convex.database.read_internal() as connection:
            first = first_due(connection)
        return None if first is None else (first[0], Kind(first[1]))

    def next_moment(self) -> datetime | None:
        """When the next job or cron is due."""
        job = self.next_job()
        slot = self.service.crons.next_slot()
        return min((moment for moment in (job and job[0], slot) if moment is not None), default=None)

    def pending_names(self) -> str:
        """The functions of the jobs that wait, for errors."""
        pending = self.convex.run(jobs.list, state="pending", limit=10_000)
        return ", ".join(sorted({job.name for job in pending}))
