"""The worker: everything that runs by itself in this process, started and stopped as one."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from ..clock import Clock
from ..database.claim import Claim
from ..database.database import Database
from ..database.outage import Outage
from ..functions.declare import Kind
from ..functions.load import App
from ..runtime.call_executor import CallExecutor
from ..settings import Settings
from .action_pool import ActionPool
from .batch import Batch
from .clock_watch import ClockWatch
from .cron_scheduler import CronScheduler
from .dispatcher import Dispatcher
from .executor import JobExecutor
from .heartbeat import Heartbeat
from .mutation_pool import MutationPool
from .periodic_thread import PeriodicThread, Tick
from .pool import Pool
from .recovery import Recovery
from .retention import Retention
from .unknown_functions import UnknownFunctions

logger = logging.getLogger("convexpy.dispatch")

# The ticks of the dispatcher's thread.
JOBS: Final = 0
CRONS: Final = 1


class Worker:
    """The dispatcher, the crons, the recovery and the retention of one process.

    While idle it has five threads: the dispatcher, the heartbeat, the housekeeping, the database's listener and its
    timer. The pools start theirs when there is work for them.
    """

    def __init__(self, database: Database, clock: Clock, settings: Settings, calls: CallExecutor) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._calls = calls
        self.heartbeat = Heartbeat(database, clock, settings)
        self.heartbeat.logs_watched = calls.logs.seen
        self._outage = Outage()
        self.unknown = UnknownFunctions(database, clock, settings, self.heartbeat)
        self.executor = JobExecutor(calls, self.unknown, self._outage)
        self.dispatcher = Dispatcher(database, clock, settings, self.heartbeat, self.unknown)
        self.crons = CronScheduler(database, clock, settings, self.heartbeat)
        self.recovery = Recovery(database, clock, settings, self.heartbeat, calls.listeners)
        self.retention = Retention(database, clock, settings)
        self.clock_watch = ClockWatch(database, clock, settings, self.heartbeat)
        self._threads: list[PeriodicThread] = []

    @property
    def is_running(self) -> bool:
        return bool(self._threads)

    @property
    def is_stuck(self) -> bool:
        """Whether one of its loops was started and stands still."""
        return any(thread.is_stuck for thread in self._threads)

    def prepare(self, app: App) -> None:
        """Register as a worker, recover what dead ones left, and take over the app's crons.

        Raises:
            InternalError: The database failed at every attempt.
        """
        self.crons.declare(app.crons, app.registry)
        retried = self._calls.retried
        retried("a worker's registration", self.heartbeat.register)
        retried("the recovery of dead workers' jobs", self.recovery.recover_dead)
        retried("the adoption of crons", self.crons.reconcile)

    def start(self, app: App) -> None:
        """Begin to run what is due."""
        if self._threads:
            raise RuntimeError("this app is already running: start it once, or use `with convex.running():` once")
        self.prepare(app)
        self._calls.collect_runs()
        ticks = (self.dispatcher.tick, self.crons.tick)
        dispatching = PeriodicThread("dispatcher", self._settings, *ticks, outage=self._outage)
        beating = PeriodicThread("heartbeat", self._settings, self.heartbeat.tick, outage=self._outage)
        wake = partial(dispatching.wake, JOBS)
        size, calls = self._settings.action_concurrency, self._calls
        pools: Sequence[Pool] = (
            MutationPool(self.executor, self._database.timer, self._database.writers, self.dispatcher.on_capacity),
            ActionPool(self.executor, calls.event_loop, size, self._database.timer, self.dispatcher.on_capacity, wake),
        )
        self.executor.start()
        self.dispatcher.open(pools, wake)
        self.recovery.tracked = lambda: set().union(*(pool.jobs() for pool in pools))
        housekeeping = PeriodicThread("housekeeping", self._settings, *self._housekeeping(), outage=self._outage)
        commits = self._database.commits
        commits.listen_to_jobs(self.dispatcher.on_commit, self.dispatcher.on_remote_commit)
        commits.watch()
        self._threads = [dispatching, beating, housekeeping]
        for thread in self._threads:
            thread.start()

    def _housekeeping(self) -> list[Tick]:
        ticks = [self.recovery.recover_dead, self.recovery.reclaim, self.crons.reconcile, self.retention.tick]
        # What they find is as good as another process's commit: the dispatcher has to look for it.
        found, cursor = self.dispatcher.on_remote_commit, self.dispatcher.cursor
        ticks.append(self.clock_watch.tick)
        ticks.append(lambda: self.unknown.tick(self.executor.fail_unknown, found))
        if cursor is not None:
            ticks.append(lambda: cursor.backfill(self._settings.mutation_time_limit, found))
        return ticks

    def adopt(self, app: App) -> None:
        """Go on with a newly loaded version of the app."""
        self.unknown.forget()
        self.crons.adopt(app.crons, app.registry)
        if self._threads:
            dispatching = self._threads[0]
            dispatching.wake(JOBS)
            dispatching.wake(CRONS)

    def stop(self) -> None:
        """Claim nothing more, let what runs finish within the grace, and leave.

        What cannot be stored now is recovered by the next process that starts.
        """
        if not self._threads:
            return
        dispatching, beating, housekeeping = self._threads
        self._threads = []
        pools = self.dispatcher.close()
        self._database.commits.stop()
        self._database.commits.forget_jobs(self.dispatcher.on_commit, self.dispatcher.on_remote_commit)
        dispatching.stop()
        deadline = time.monotonic() + self._settings.stop_grace.total_seconds()
        untried = [claim for pool in pools for claim in pool.drain()]
        try_to(lambda: self.dispatcher.unclaim(untried))
        for pool in pools:
            pool.stop(max(0.0, deadline - time.monotonic()))
        self.executor.stop()
        housekeeping.stop()
        beating.stop()  # until here it shows that this worker is alive, for as long as anything of it runs
        try_to(self.heartbeat.leave)
        self._calls.collector.try_to_flush()

    # For tests, which move the time by hand: nothing else may be running.

    def run_due(self, kind: Kind, limit: int = 1) -> int:
        """Claim up to so many due jobs of a kind and run them on this thread, mutations as one batch. How many."""
        claims = self.dispatcher.claim(kind, limit)
        if kind is Kind.MUTATION:
            # One claim runs alone: whether it would share a transaction depends on the real time of earlier runs.
            self.executor.perform(Batch(claims, alone=len(claims) == 1))
        else:
            for claim in claims:
                self.run(claim)
        return len(claims)

    def run(self, claim: Claim) -> None:
        """Run one claim on this thread, alone."""
        if claim.kind == Kind.MUTATION:
            self.executor.perform(Batch([claim], alone=True))
        else:
            self._calls.event_loop.submit(self.executor.run_action(claim)).result()


def try_to(store: Callable[[], None]) -> None:
    """Store something that other workers can find out by themselves."""
    try:
        store()
    except Exception as error:
        logger.warning("the database failed while the app stopped: %s", error)
