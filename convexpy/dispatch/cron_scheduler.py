"""Fire crons: a slot that has come becomes a job, once, whichever worker fires it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from ..clock import Clock
from ..database import cron_pauses, cron_runs, jobs, workers
from ..database import crons as stored
from ..database.cron_pauses import CronPause
from ..database.crons import DeclaredCron
from ..database.database import Database
from ..database.jobs import NewJob
from ..errors import FunctionNotFound
from ..functions.crons import Crons
from ..functions.registry import Registry
from ..functions.timetable import MICROSECOND, parse
from ..settings import Settings
from .heartbeat import Heartbeat

logger = logging.getLogger("convexpy.dispatch")


class CronScheduler:
    """Keeps the stored crons like the declared ones, and turns slots into jobs."""

    def __init__(self, database: Database, clock: Clock, settings: Settings, heartbeat: Heartbeat) -> None:
        self._database = database
        self._clock = clock
        self._heartbeat = heartbeat
        self._interval = settings.heartbeat_interval.total_seconds()
        self._longest = settings.poll_interval.total_seconds()
        self._far: dict[str, datetime] = {}
        self.registry: Registry | None = None

    def declare(self, crons: Crons, registry: Registry) -> None:
        """Fire crons for this version of the app, whose crons the worker's heartbeat names from now on."""
        self.registry = registry
        self._heartbeat.declare(
            {
                name: DeclaredCron(cron.timetable.text, cron.function, cron.stored_args)
                for name, cron in crons.definitions.items()
            }
        )

    def adopt(self, crons: Crons, registry: Registry) -> None:
        """Declare the crons of another version of the app, and store what differs."""
        self.declare(crons, registry)
        self._heartbeat.beat()
        self.reconcile()

    def reconcile(self) -> float:
        """Keep the stored crons like those that workers declare, by name. How many seconds until the next round.

        At the start it is how a new version's crons come and go. Later it mends what a worker of another version did,
        and removes what the last worker that declared it has left behind.
        """
        with self._database.read_internal() as connection:
            declared = stored.declared_crons(connection, self._heartbeat.worker)
            known = stored.stored_crons(connection)
        if declared is not None and declared != {name: stored.as_declared(row) for name, row in known.items()}:
            with self._database.write_internal(sync="as set") as connection:
                stored.lock_crons(connection)  # workers that start together would all add the same
                self._store(connection, stored.declared_crons(connection, self._heartbeat.worker))
        self._correct(list(known.values()))
        return self._interval

    def _correct(self, rows: list[Any]) -> None:
        """Derive afresh the slots that lie too far ahead: a clock that was ahead has stored them.

        It must have been so at the last round already, and no other worker may send later heartbeats: or it is this
        clock that is behind.
        """
        now = self._clock.now()
        far = [row for row in rows if row.next_time > parse(row.schedule).latest_next(now)]
        confirmed = [row for row in far if self._far.get(row.name) == row.next_time]
        self._far = {row.name: row.next_time for row in far}
        if not confirmed:
            return
        with self._database.write_internal(sync="as set") as connection:
            if workers.has_ahead(connection, self._heartbeat.worker, now):
                return
            for row in confirmed:
                following = parse(row.schedule).first_after(now, row.next_time)
                stored.advance(connection, row.name, row.next_time, following)

    def _store(self, connection: Connection, declared: Mapping[str, DeclaredCron] | None) -> None:
        """Add, change and remove what differs."""
        if declared is None:
            return
        now, known = self._clock.now(), stored.stored_crons(connection)
        for name, cron in declared.items():
            values: dict[str, Any] = cron._asdict()
            row = known.pop(name, None)
            if row is None:
                values |= {"name": name, "next_time": parse(cron.schedule).first(now)}
                values |= cron_pauses.take_kept_pause(connection, name)
                last = stored.last_run(connection, name, now)
                if last is not None:  # it was stored before: it keeps its phase, and still runs one at a time
                    values |= {**last._mapping, "next_time": parse(cron.schedule).changed(last.last_time, now)}
                stored.add_cron(connection, values)
            elif row.schedule != cron.schedule:
                values["next_time"] = parse(cron.schedule).changed(row.last_time, now)
                stored.change_cron(connection, name, values)
            elif stored.as_declared(row) != cron:
                stored.change_cron(connection, name, values)
        cron_pauses.keep_pauses(connection, known.values(), now)
        stored.remove_crons(connection, list(known))

    def next_slot(self) -> datetime | None:
        """When the first cron fires."""
        with self._database.read_internal() as connection:
            return stored.next_slot(connection)

    def tick(self) -> float:
        """Fire what is due. How many seconds until the next slot."""
        now = self._clock.now()
        with self._database.read_internal() as connection:
            following = stored.next_slot(connection)
            due = stored.due_crons(connection, now) if following is not None and following <= now else []
        fired = [self._fire(row, now) for row in due]
        if any(fired):
            return 0.0
        if following is None or due:
            return self._longest
        return min((following - now).total_seconds(), self._longest)

    def _fire(self, row: Any, now: datetime) -> bool:
        """Turn a slot into a job, unless another worker did, the cron is paused, or the run before is not over."""
        try:
            kind = self.registry.find(row.function).kind if self.registry else None
        except FunctionNotFound:
            kind = None
        if kind is None:
            logger.warning("cron %r: this process does not know %s and leaves it to others", row.name, row.function)
            return False
        timetable = parse(row.schedule)
        with self._database.write_internal(sync="as set") as connection:
            pause = cron_pauses.locked_pause(connection, row.name)
            if pause is not None and pause.leaves_out(row.next_time):
                return self._leave_out(connection, row, pause, now)
            following = timetable.after(row.next_time, now)
            if not stored.advance(connection, row.name, row.next_time, following):
                return False
            if stored.is_taken(connection, row.name, row.next_time):
                return True  # by a clock that was ahead
            if stored.is_running(connection, row.last_job):
                self._skip(connection, row, row.next_time, "skipped: the run before was not over", now)
            else:
                job_id = self._database.new_job_id()
                run = NewJob(job_id, row.function, kind, row.args_text, row.next_time, cron=row.name)
                jobs.insert_jobs(connection, [run], now)
                stored.remember_run(connection, row.name, row.next_time, job_id)
            missed = timetable.missed(row.next_time, now)
            if missed != 0:
                text = f"skipped {slots_between(missed, row.next_time, now)}: nothing was running then"
                self._skip(connection, row, row.next_time, text, now)
        return True

    def _leave_out(self, connection: Connection, row: Any, pause: CronPause, now: datetime) -> bool:
        """Leave out a slot of a paused cron, and with it those that follow and have passed, but none after its end."""
        timetable, last = parse(row.schedule), min(now, pause.until - MICROSECOND)
        if not stored.advance(connection, row.name, row.next_time, timetable.after(row.next_time, last)):
            return False
        text, missed = pause.reason, timetable.missed(row.next_time, last)
        if missed != 0:
            text = f"{text} (with {slots_between(missed, row.next_time, last)})"
        if not stored.is_taken(connection, row.name, row.next_time):
            self._skip(connection, row, row.next_time, text, now)
        return True

    def _skip(self, connection: Connection, row: Any, slot: datetime, why: str, now: datetime) -> None:
        """Say in the history that slots were skipped."""
        kind = "mutation"  # it never runs
        skipped = NewJob(
            self._database.new_job_id(), row.function, kind, row.args_text, slot, cron=row.name, canceled=True, note=why
        )
        jobs.insert_jobs(connection, [skipped], now)
        cron_runs.add_skipped(connection, row.name, slot, why)


def slots_between(missed: int | None, slot: datetime, last: datetime) -> str:
    """``3 slots between 2026-12-01 09:00:00 and 2026-12-01 12:30:00 UTC``. None: they were not counted."""
    slots = "every slot" if missed is None else f"{missed} slot{'s' if missed > 1 else ''}"
    return f"{slots} between {slot:%F %T} and {last:%F %T} UTC"
