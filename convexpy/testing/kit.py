"""``ConvexTest``: an app on a throw-away database, run by the real dispatcher in the time of a virtual clock."""

from __future__ import annotations

import shutil
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, ParamSpec, Self, TypeVar

from sqlalchemy import MetaData
from sqlalchemy.orm import Session

from ..app import Convex
from ..database.jobs import Claim, first_due
from ..database.scheduled_function import ScheduledFunction, StateKind
from ..database.types import JobId
from ..functions.declare import Function, Kind
from ..runtime.identity import Identity
from ..settings import Settings
from .clock import VirtualClock
from .database import ArrangingSession, copy_of_template, create_tables

P = ParamSpec("P")
R = TypeVar("R")

MANY_RUNS = 10_000


class ConvexTest:
    """An app under test. Time stands still until ``advance`` moves it; what becomes due on the way is run.

    Args:
        functions: The package of functions, by name or as a module.
        metadata: The metadata of the app's own tables; they are created.
        database_url: Another database than the throw-away one. Its tables are created if they are missing.
        settings: The engine's settings.
        now: When the test begins. By default, now.
    """

    def __init__(
        self,
        functions: str | ModuleType,
        *,
        metadata: MetaData | None = None,
        database_url: str | None = None,
        settings: Settings | None = None,
        now: datetime | None = None,
    ) -> None:
        self.clock = VirtualClock(now)
        self._functions = functions
        self._metadata = metadata
        self._url = database_url
        self._settings = settings or Settings(sqlite_synchronous="NORMAL")
        self._folder: Path | None = None
        self._sessions: list[Session] = []
        self._convex: Convex | None = None

    def __enter__(self) -> Self:
        if self._url is None:
            self._folder = Path(tempfile.mkdtemp(prefix="convexpy-test-"))
            self._url = f"sqlite:///{copy_of_template(self._metadata, self._folder)}"
        else:
            create_tables(self._url, self._metadata)
        self._convex = Convex(
            self._url, functions=self._functions, metadata=self._metadata, settings=self._settings, clock=self.clock
        )
        self._convex.migrate()
        self._convex.service.prepare(self._convex.app)
        return self

    def __exit__(self, *exception: object) -> None:
        for session in self._sessions:
            session.close()
        if self._convex is not None:
            self._convex.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def convex(self) -> Convex:
        """The app itself."""
        if self._convex is None:
            raise RuntimeError("a ConvexTest is a context manager: write `with ConvexTest(…) as convex:`")
        return self._convex

    @property
    def now(self) -> datetime:
        """The virtual time, in UTC."""
        return self.clock.now()

    def run(self, function: Function[Any, P, Any, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a function, public or internal, and return its result."""
        return self.convex.run(function, *args, **kwargs)

    async def run_async(self, function: Function[Any, P, Any, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """The same from async code."""
        return await self.convex.run_async(function, *args, **kwargs)

    def call(self, name: str, args: dict[str, Any] | None = None) -> Any:
        """Call a function by name with JSON values, and return its result as JSON values."""
        return self.convex.call(name, args)

    def as_user(self, subject: str) -> UserView:
        """The same calls as a signed-in user."""
        return self.with_identity(Identity(subject))

    def with_identity(self, identity: Identity | None) -> UserView:
        """The same calls on behalf of somebody."""
        return UserView(self.convex, identity)

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
        runs = self._run_due(MANY_RUNS)
        while (moment := self._next_moment()) is not None and moment <= target:
            self.clock.move_to(moment)
            runs += self._run_due(MANY_RUNS - runs)
        self.clock.move_to(target)
        self._run_due(MANY_RUNS - runs)
        self.convex.service.worker.tick()
        for _ in range(2):  # who has been silent for long must be found so twice
            self.convex.service.maintenance.tick()

    def run_due(self) -> None:
        """Run what is due now, and what that schedules for now."""
        self._run_due(MANY_RUNS)

    def finish_all_scheduled(self, max_rounds: int = 100) -> None:
        """Run every scheduled job to its end, moving the clock as far as that takes. Crons do not count.

        Raises:
            RuntimeError: Jobs are still being scheduled after so many rounds; it names their functions.
        """
        for _ in range(max_rounds):
            due = self._next_job()
            if due is None:
                return
            self.clock.move_to(due[0])
            for claim in self._claim_all():
                self._execute(claim)
        if self._next_job() is not None:
            raise RuntimeError(f"{self._pending_names()} still scheduled after {max_rounds} rounds: is it endless?")

    def jobs(self, state: StateKind | None = None, name: str | None = None) -> list[ScheduledFunction]:
        """Jobs that fit: pending ones soonest first, then running and finished ones, latest first."""
        return self.convex.system.jobs(state, name, limit=10_000)

    def job(self, job_id: JobId) -> ScheduledFunction | None:
        """One job, or None."""
        return self.convex.system.job(job_id)

    def db(self) -> Session:
        """A session for arranging and asserting; as a context manager it commits at the end of the block."""
        session = ArrangingSession(self.convex.database.url)
        self._sessions.append(session)
        return session

    def _run_due(self, most: int) -> int:
        """Run what is due, one job after the other, longest due first. How many it was."""
        runs = 0
        service = self.convex.service
        while True:
            while service.crons.tick() == 0.0:
                pass
            due = self._next_job()
            if due is None or due[0] > self.now:
                return runs
            if runs >= most:
                raise RuntimeError(f"{self._pending_names()} still due after {MANY_RUNS} runs: is it endless?")
            for claim in service.dispatcher.claim(due[1], 1):
                self._execute(claim)
            runs += 1

    def _claim_all(self) -> list[Claim]:
        """Claim everything that is due at this moment, in the order it was scheduled."""
        dispatcher = self.convex.service.dispatcher
        claims = [claim for kind in (Kind.MUTATION, Kind.ACTION) for claim in dispatcher.claim(kind, MANY_RUNS)]
        return sorted(claims, key=lambda claim: (claim.scheduled_time, claim.position))

    def _execute(self, claim: Claim) -> None:
        executor = self.convex.service.executor
        if claim.kind == Kind.MUTATION:
            executor.exactly_once(claim)
        else:
            self.convex.runtime.background.submit(executor.at_most_once(claim)).result()

    def _next_job(self) -> tuple[datetime, Kind] | None:
        """When the next job is due, and its kind."""
        with self.convex.database.look() as connection:
            first = first_due(connection)
        return None if first is None else (first[0], Kind(first[1]))

    def _next_moment(self) -> datetime | None:
        """When the next job or cron is due."""
        job = self._next_job()
        slot = self.convex.service.crons.next_slot()
        return min((moment for moment in (job and job[0], slot) if moment is not None), default=None)

    def _pending_names(self) -> str:
        return ", ".join(sorted({job.name for job in self.jobs(state="pending")}))


class UserView:
    """The calls of a ConvexTest on behalf of one user."""

    def __init__(self, convex: Convex, identity: Identity | None) -> None:
        self._caller = convex.with_identity(identity)
        self.identity = identity

    def run(self, function: Function[Any, P, Any, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a function as this user."""
        return self._caller.run(function, *args, **kwargs)

    async def run_async(self, function: Function[Any, P, Any, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """The same from async code."""
        return await self._caller.run_async(function, *args, **kwargs)

    def call(self, name: str, args: dict[str, Any] | None = None) -> Any:
        """Call a function by name with JSON values, as this user."""
        return self._caller.call(name, args)
