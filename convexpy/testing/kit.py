"""``ConvexTest``: an app on a throw-away database, run by the real dispatcher in the time of a virtual clock."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Final, ParamSpec, Self, TypeVar

from sqlalchemy import URL, MetaData
from sqlalchemy.orm import Session

from .._system import jobs
from ..app import Convex
from ..database.database import connect
from ..database.scheduled_function import ScheduledFunction, StateKind
from ..database.types import JobId
from ..functions.declare import Function, QueryFunction
from ..live.updates import Updates
from ..runtime.identity import Identity
from ..settings import Settings
from .chaos import Chaos
from .chaos_worker import ChaosWorker
from .clock import VirtualClock
from .database import ArrangingSession, copy_of_template, create_tables
from .faulty_database import FaultyClock, FaultyDatabase
from .server import TestServer, server_of
from .watch import MOST_REFRESHS, Watch, Watches
from .worker import MANY_RUNS, VirtualWorker

P = ParamSpec("P")
R = TypeVar("R")

ARRANGED: Final = "(db())"


class ConvexTest:
    """An app under test. Time stands still until ``advance`` moves it; what becomes due on the way is run.

    Args:
        functions: The package of functions, by name or as a module.
        metadata: The metadata of the app's own tables; they are created.
        database_url: The URL of a PostgreSQL server: the test gets a database of its own there, which is dropped at
            the end. Or a SQLite file, which is used and kept; missing tables are created. A database that another
            ConvexTest made (``convex.database.url``) is shared with it, and that of an app is never touched.
        settings: The engine's settings.
        now: When the test begins. By default, now.
        chaos: A seed. What runs meets conflicts, crashes and other faults at random, and the same ones with the same
            seed. Every promise holds all the same.
    """

    def __init__(
        self,
        functions: str | ModuleType,
        *,
        metadata: MetaData | None = None,
        database_url: str | None = None,
        settings: Settings | None = None,
        now: datetime | None = None,
        chaos: int | None = None,
    ) -> None:
        self.clock = VirtualClock(now)
        self._functions = functions
        self._metadata = metadata
        self._database_url = database_url
        self._settings = settings or Settings(sqlite_synchronous="NORMAL")
        if "live_check" not in self._settings.model_fields_set:
            self._settings = self._settings.model_copy(update={"live_check": True})
        self._chaos = None if chaos is None else Chaos(chaos, self.clock, self._settings)
        self._folder: Path | None = None
        self._dropped: tuple[TestServer, URL] | None = None
        """The server on which this test has made a database, and that database."""
        self._sessions: list[Session] = []
        self._worker: VirtualWorker | None = None
        self._watches: Watches | None = None

    def __enter__(self) -> Self:
        try:
            self._enter()
        except BaseException:
            self.__exit__(*sys.exc_info())  # an app that does not load leaves nothing behind
            raise
        return self

    def _enter(self) -> None:
        self._worker = self._make_worker(self._prepare_database())
        self.convex.calls.redacts_errors = False  # a test sees errors in full, as `convexpy dev` does
        if self._is_copy:
            self.convex._is_migrated = True  # to look again takes an engine and a connection of its own
        else:
            self.convex.migrate()
        self._worker.start()
        self._watches = Watches(self.convex)
        self._worker.after_run = self._watches.look
        if self._chaos is not None:
            self._chaos.is_awake = True

    def _prepare_database(self) -> str:
        """The URL of a database with all tables: a throw-away one, or the given one."""
        url = self._database_url
        if url is None:
            self._folder = Path(tempfile.mkdtemp(prefix="convexpy-test-"))
            return f"sqlite:///{copy_of_template(self._metadata, self._folder)}"
        if not url.startswith("postgres"):
            create_tables(url, self._metadata)
            return url
        server = server_of(url, self._metadata)
        if server is None:
            return url
        self._dropped = server, server.new_database()
        return self._dropped[1].render_as_string(hide_password=False)

    @property
    def _is_copy(self) -> bool:
        """Whether the database is a copy of one that this process has just migrated."""
        return self._folder is not None or self._dropped is not None

    def _make_worker(self, url: str) -> VirtualWorker:
        """The app, and what runs its jobs."""
        functions, metadata = self._functions, self._metadata
        if self._chaos is None:
            app = Convex(url, functions=functions, metadata=metadata, settings=self._settings, clock=self.clock)
            return VirtualWorker(app)
        settings = self._chaos.settings
        database = FaultyDatabase(connect(url, settings), self._chaos)
        try:
            clock = FaultyClock(self.clock)
            app = Convex(database, functions=functions, metadata=metadata, settings=settings, clock=clock)
        except BaseException:
            database.close()
            raise
        return ChaosWorker(app, database, self.clock, self._chaos)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._chaos is not None:
            self._chaos.is_awake = False
            if error is not None:
                self._chaos.explain(error)
        try:
            for session in self._sessions:
                session.close()
            if self._watches is not None:
                self._watches.close()
            if self._worker is not None:
                self._worker.close()
        finally:
            self._throw_database_away()

    def _throw_database_away(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        if self._dropped is not None:
            server, database = self._dropped
            server.drop(database)

    @property
    def convex(self) -> Convex:
        """The app itself."""
        return self._running_worker.convex

    @property
    def _running_worker(self) -> VirtualWorker:
        if self._worker is None:
            raise RuntimeError("a ConvexTest is a context manager: write `with ConvexTest(…) as convex:`")
        return self._worker

    @property
    def now(self) -> datetime:
        """The virtual time, in UTC."""
        return self.clock.now()

    def run(self, function: Function[Any, P, Any, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a function, public or internal, and return its result."""
        return self._anonymous.run(function, *args, **kwargs)

    async def run_async(self, function: Function[Any, P, Any, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """The same from async code."""
        return await self._anonymous.run_async(function, *args, **kwargs)

    def call(self, name: str, args: dict[str, Any] | None = None) -> Any:
        """Call a function by name with JSON values, and return its result as JSON values."""
        return self._anonymous.call(name, args)

    def watch(self, query: QueryFunction[Any, P, R], /, *args: P.args, **kwargs: P.kwargs) -> Watch[R]:
        """Watch a live query: what the test commits and the time that it lets pass give it new values."""
        return self._anonymous.watch(query, *args, **kwargs)

    def subscribe(self, query: QueryFunction[Any, P, R], /, *args: P.args, **kwargs: P.kwargs) -> Updates[R]:
        """Subscribe to a query as an app does, with threads, in real time. ``watch`` needs neither."""
        return self.convex.subscribe(query, *args, **kwargs)

    def subscribe_all(
        self, queries: Mapping[str, tuple[QueryFunction[Any, ..., Any], Mapping[str, Any]]]
    ) -> Updates[dict[str, Any]]:
        """Subscribe to several queries, whose values are always of one snapshot."""
        return self.convex.subscribe_all(queries)

    def as_user(self, subject: str) -> UserView:
        """The same calls as a signed-in user."""
        return self.with_identity(Identity(subject))

    def with_identity(self, identity: Identity | None) -> UserView:
        """The same calls on behalf of an identity."""
        return UserView(self.convex, identity, self._running_watches)

    @property
    def _anonymous(self) -> UserView:
        return self.with_identity(None)

    @property
    def _running_watches(self) -> Watches:
        self._running_worker  # noqa: B018 (it raises outside of the block)
        assert self._watches is not None
        return self._watches

    def advance(
        self,
        delta: timedelta = timedelta(0),
        /,
        *,
        seconds: float = 0,
        minutes: float = 0,
        hours: float = 0,
        days: float = 0,
    ) -> None:
        """Let time pass. Jobs and crons that become due on the way run at their time, in due order."""
        target = self.now + delta + timedelta(seconds=seconds, minutes=minutes, hours=hours, days=days)
        if target < self.now:
            raise ValueError("time only moves forward")
        worker, watches = self._running_worker, self._running_watches
        runs, refreshs = worker.run_due(), 0
        while True:
            job, query = worker.next_moment(), watches.next_moment() if refreshs < MOST_REFRESHS else None
            moment = min((each for each in (job, query) if each is not None), default=None)
            if moment is None or moment > target:
                break
            self.clock.move_to(moment)
            runs += worker.run_due(MANY_RUNS - runs)
            if moment == query:
                watches.look()
                refreshs += 1
        self.clock.move_to(target)
        worker.run_due(MANY_RUNS - runs)
        worker.maintain()
        watches.look()

    def run_due(self) -> None:
        """Run what is due now, and what that schedules for now."""
        self._running_worker.run_due()
        self._running_watches.look()

    def finish_all_scheduled(self, max_rounds: int = 100) -> None:
        """Run every scheduled job to its end, moving the clock as far as that takes. Crons do not count.

        Raises:
            RuntimeError: Jobs are still being scheduled after so many rounds; it names their functions.
        """
        worker, rounds = self._running_worker, 0
        while due := worker.next_job():
            if rounds >= max_rounds:
                names = worker.pending_names()
                raise RuntimeError(f"{names} still scheduled after {max_rounds} rounds: is it endless?")
            self.clock.move_to(due[0])
            rounds += worker.run_round()

    def jobs(self, state: StateKind | None = None, name: str | None = None) -> list[ScheduledFunction]:
        """Jobs that fit: pending ones soonest first, then running and finished ones, latest first."""
        return list(self.convex.run(jobs.list, state=state, name=name, limit=10_000))

    def job(self, job_id: JobId) -> ScheduledFunction | None:
        """One job, or None."""
        return self.convex.run(jobs.get, job_id=job_id)

    def db(self) -> Session:
        """A session for arranging and asserting; as a context manager it commits at the end of the block."""
        session = ArrangingSession(self.convex.database.url, self._note_arranged)
        self._sessions.append(session)
        return session

    def _note_arranged(self) -> None:
        """A session of the test has committed, past the commit log."""
        if self._watches is not None:
            self.convex.live.reset(ARRANGED)
            self._watches.reset(ARRANGED)
            self._watches.look()


class UserView:
    """The calls of a ConvexTest on behalf of one user."""

    def __init__(self, convex: Convex, identity: Identity | None, watches: Watches) -> None:
        self._convex = convex
        self._caller = convex.with_identity(identity)
        self._watches = watches
        self.identity = identity

    def run(self, function: Function[Any, P, Any, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a function as this user."""
        try:
            return self._caller.run(function, *args, **kwargs)
        finally:  # an action may have written something before it failed
            self._watches.look()

    async def run_async(self, function: Function[Any, P, Any, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """The same from async code."""
        try:
            return await self._caller.run_async(function, *args, **kwargs)
        finally:
            self._watches.look()

    def call(self, name: str, args: dict[str, Any] | None = None) -> Any:
        """Call a function by name with JSON values, as this user."""
        try:
            return self._caller.call(name, args)
        finally:
            self._watches.look()

    def watch(self, query: QueryFunction[Any, P, R], /, *args: P.args, **kwargs: P.kwargs) -> Watch[R]:
        """Watch a live query as this user."""
        return self._watches.watch(self._convex.calls.bind(query, args, kwargs, self.identity))

    def subscribe(self, query: QueryFunction[Any, P, R], /, *args: P.args, **kwargs: P.kwargs) -> Updates[R]:
        """Subscribe to a query as this user."""
        return self._caller.subscribe(query, *args, **kwargs)

    def subscribe_all(
        self, queries: Mapping[str, tuple[QueryFunction[Any, ..., Any], Mapping[str, Any]]]
    ) -> Updates[dict[str, Any]]:
        """Subscribe to several queries as this user."""
        return self._caller.subscribe_all(queries)
