"""What operators may see and do: jobs, crons and functions, for the command line and later the dashboard."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from .clock import Clock
from .database import crons as stored
from .database import jobs
from .database.conflicts import ConflictRecord, list_conflicts
from .database.database import Database
from .database.job_queries import find_job, list_jobs
from .database.jobs import NewJob
from .database.scheduled_function import ScheduledFunction, StateKind
from .database.types import JobId
from .errors import ConvexError
from .functions.declare import Kind
from .functions.load import App
from .functions.registry import AnyFunction
from .runtime.schedule import check_job_id


@dataclass(frozen=True)
class CronStatus:
    """A stored cron: what it runs, when next, and how its last run ended."""

    name: str
    schedule: str
    function: str
    args: dict[str, object]
    next_time: datetime
    last_time: datetime | None
    last_state: StateKind | None
    place: str | None


class System:
    """Reads and changes the framework's own tables on behalf of an operator."""

    def __init__(self, database: Database, clock: Clock, app: App) -> None:
        self._database = database
        self._clock = clock
        self.app = app

    def functions(self) -> list[AnyFunction]:
        """Every function of the app, by name."""
        return list(self.app.registry.functions.values())

    def jobs(
        self, state: StateKind | None = None, name: str | None = None, cron: str | None = None, limit: int = 100
    ) -> list[ScheduledFunction]:
        """Jobs that fit: pending ones soonest first, then running and finished ones, latest first."""
        with self._database.read_internal() as connection:
            return list_jobs(connection, state, name, cron, limit)

    def conflicts(self) -> list[ConflictRecord]:
        """Which functions lost to which, the most frequent first."""
        with self._database.read_internal() as connection:
            return list_conflicts(connection)

    def job(self, job_id: str) -> ScheduledFunction | None:
        """One job, or None if there is none or it was purged."""
        with self._database.read_internal() as connection:
            return find_job(connection, check_job_id(job_id))

    def cancel(self, job_id: str) -> ScheduledFunction | None:
        """Cancel a job and return it as it is now, canceled or already finished; None if there is none."""
        checked = check_job_id(job_id)
        with self._database.write_internal(sync="as set", logged=True) as connection:
            jobs.cancel(connection, checked, self._clock.now())
            return find_job(connection, checked)

    def retry(self, job_id: str) -> JobId:
        """Schedule a finished job's function once more, with the same arguments, as a new job.

        Raises:
            ConvexError: There is no such job, it is not finished, or its function or arguments no longer fit.
        """
        old = self.job(job_id)
        if old is None:
            raise ConvexError("NOT_FOUND", f"there is no job {job_id}")
        if old.completed_time is None:
            raise ConvexError("CONFLICT", f"job {job_id} is {old.state_kind}: only a finished job can be tried again")
        function = self.app.registry.find(old.name)
        if function.kind is Kind.QUERY:
            raise ConvexError("CONFLICT", f"{old.name} is a query by now, and a query cannot be a job")
        stored_args = json.dumps(old.args)
        function.arguments.load(function.name, stored_args)
        job_id, now = self._database.new_job_id(), self._clock.now()
        return self._insert(NewJob(job_id, function.name, function.kind, stored_args, now))

    def crons(self) -> list[CronStatus]:
        """Every stored cron, by name."""
        with self._database.read_internal() as connection:
            rows = stored.stored_crons(connection)
            last = {name: find_job(connection, row.last_job or "") for name, row in rows.items()}
        definitions = self.app.crons.definitions
        return [
            CronStatus(
                name=name,
                schedule=row.schedule,
                function=row.function,
                args=row.args,
                next_time=row.next_time,
                last_time=row.last_time,
                last_state=job.state.kind if (job := last[name]) else None,
                place=definitions[name].place if name in definitions else None,
            )
            for name, row in rows.items()
        ]

    def run_cron(self, name: str) -> JobId:
        """Run a cron now, besides its slots.

        Raises:
            ConvexError: There is no such cron, or its last run is not over.
        """
        definition = self.app.crons.definitions.get(name)
        if definition is None:
            known = ", ".join(repr(each) for each in self.app.crons.definitions) or "none"
            raise ConvexError("NOT_FOUND", f"there is no cron {name!r}. There is: {known}")
        function = self.app.registry.find(definition.function)
        now = self._clock.now()
        job = NewJob(self._database.new_job_id(), function.name, function.kind, definition.stored_args, now, cron=name)
        with self._database.write_internal(sync="as set", logged=True) as connection:
            row = stored.stored_crons(connection).get(name)
            if row is not None and stored.is_running(connection, row.last_job):
                raise ConvexError("CONFLICT", f"cron {name!r} is running: at most one run at a time")
            jobs.insert_jobs(connection, [job], now)
            stored.remember_run(connection, name, row.last_time if row else None, job.id)
        return job.id

    def _insert(self, job: NewJob) -> JobId:
        with self._database.write_internal(sync="as set", logged=True) as connection:
            jobs.insert_jobs(connection, [job], self._clock.now())
        return job.id
