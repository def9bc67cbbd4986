"""Everything that runs by itself, started and stopped as one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from ..clock import Clock
from ..database.claim import Claim
from ..database.commits import CommitFeed
from ..database.database import Database
from ..functions.load import App
from ..runtime.own_claims import NoPlaces
from ..runtime.runtime import Runtime
from ..settings import Settings
from .action_pool import ActionPool
from .cron_scheduler import CronScheduler
from .dispatcher import Dispatcher
from .executor import Executor
from .heartbeat import Worker, try_to
from .mutation_pool import MutationPool
from .periodic_thread import Loop
from .places import KeptPlaces
from .pool import Pool
from .recovery import Recovery
from .retention import Purge
from .stragglers import Stragglers
from .unknown_functions import UnknownFunctions


class Service:
    """The dispatcher, the crons, the recovery and the purge of one process."""

    def __init__(
        self, database: Database, clock: Clock, settings: Settings, feed: CommitFeed, runtime: Runtime
    ) -> None:
        self._database = database
        self._settings = settings
        self._runtime = runtime
        self._feed = feed
        self.worker = Worker(database, clock, settings)
        self.executor = Executor(runtime, UnknownFunctions(database, clock, settings, self.worker))
        self.dispatcher = Dispatcher(database, clock, settings, self.worker)
        self.crons = CronScheduler(database, clock, settings, feed)
        self.recovery = Recovery(database, clock, settings, feed, self.worker)
        self.purge = Purge(database, clock, settings)
        self._loops: list[Loop] = []

    def prepare(self, app: App) -> None:
        """Become a worker, recover what dead ones left, and take over the app's crons.

        Raises:
            InternalError: The database failed at every try.
        """
        retried = self._runtime.calls.retried
        retried("a worker's registration", self.worker.register)
        retried("the recovery of dead workers' jobs", self.recovery.rescue)
        retried("the adoption of crons", lambda: self.crons.adopt(app.crons, app.registry))

    def start(self, app: App) -> None:
        """Begin to run what is due, on threads of its own."""
        if self._loops:
            raise RuntimeError("this app is already running: start it once, or use `with convex.running():` once")
        self.prepare(app)
        dispatching = Loop("dispatcher", self.dispatcher.tick, self._settings)
        ticking = Loop("crons", self.crons.tick, self._settings)
        beating = Loop("heartbeat", self.worker.tick, self._settings)
        recovering = Loop("recovery", self.recovery.tick, self._settings)
        purging = Loop("purge", self.purge.tick, self._settings)
        concurrency = self._settings.action_concurrency
        background = self._runtime.background
        rooms: Sequence[Pool] = (
            MutationPool(self.executor, self._runtime.together, self._database.writers, dispatching.wake),
            ActionPool(self.executor, background, concurrency, dispatching.wake),
        )
        self.executor.start()
        self.dispatcher.open(rooms)
        self._places = KeptPlaces(
            self.worker, {room.kind: room for room in rooms}, self._give_back, self.dispatcher.doubt
        )
        self._runtime.calls.places = self._places
        self.recovery.holds = lambda: set().union(*(room.holds() for room in rooms))
        self._wake, elsewhere = self._news(dispatching)
        self._feed.listen(self._wake, elsewhere)
        self._feed.watch()
        stragglers = Stragglers(self._database, self._settings, self.dispatcher.frontier, dispatching.wake)
        looking_back = Loop("stragglers", stragglers.tick, self._settings)
        self._loops = [dispatching, ticking, beating, recovering, purging, looking_back]
        for loop in self._loops:
            loop.start()

    def _news(self, dispatching: Loop) -> tuple[Callable[[], None], Callable[[], None]]:
        """What is called when something was committed: by this process, and by another one."""

        def wake() -> None:
            self.dispatcher.news()
            dispatching.wake()

        def claim() -> None:
            if self._database.is_server:
                self.dispatcher.claim_at_once()
            dispatching.wake()

        return wake, claim

    def _give_back(self, claims: Sequence[Claim]) -> None:
        """Let others have what was claimed and never tried, and tell them: it is due already."""
        if claims:
            self.dispatcher.unclaim(claims)
            self._feed.announce()

    @property
    def is_running(self) -> bool:
        return bool(self._loops)

    def adopt(self, app: App) -> None:
        """Go on with a newly loaded version of the app."""
        self.crons.adopt(app.crons, app.registry)
        for loop in self._loops:
            loop.wake()

    def stop(self) -> None:
        """Claim nothing more, let what runs finish within the grace, and leave.

        What cannot be written down now is recovered by the next process that starts.
        """
        if not self._loops:
            return
        dispatching, ticking, beating, recovering, purging, looking_back = self._loops
        self._loops = []
        rooms = self.dispatcher.close()
        self._feed.stop()
        self._feed.forget(self._wake)
        ticking.stop()
        dispatching.stop()
        deadline = time.monotonic() + self._settings.stop_grace.total_seconds()
        self._runtime.calls.places = NoPlaces()
        self._places.close()
        untried = [claim for room in rooms for claim in room.drain()]
        try_to(lambda: self._give_back(untried))
        for room in rooms:
            room.stop(max(0.0, deadline - time.monotonic()))
        self.executor.stop()
        recovering.stop()
        purging.stop()
        looking_back.stop()
        beating.stop()  # it says that we are alive for as long as anything of ours runs
        try_to(self.worker.leave)
