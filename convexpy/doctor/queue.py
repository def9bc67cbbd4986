"""The framework's own tables: is somebody there to run what is due, and does the queue stay small?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, select

from ..database.tables import queue, workers
from ..migrations.framework import HEAD, current_revision
from .finding import Finding, about_time, note, ok, risk
from .target import Target

LATE: Final = timedelta(seconds=30)
OLD_SECONDS: Final = 60.0
VERY_OLD_SECONDS: Final = 3600.0
MANY_DEAD: Final = 10_000
TOO_MANY_DEAD: Final = 100_000

# What keeps dead rows from being cleaned: whoever may still look at them, and who is named for it.
HORIZON: Final = """
SELECT age, who FROM (
    SELECT extract(epoch FROM clock_timestamp() - xact_start)::float AS age,
           'process ' || pid || coalesce(' of ' || nullif(application_name, ''), '') AS who
    FROM pg_stat_activity
    WHERE pid <> pg_backend_pid() AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)
    UNION ALL
    SELECT extract(epoch FROM clock_timestamp() - prepared)::float, 'the prepared transaction ' || gid
    FROM pg_prepared_xacts
) AS open WHERE age IS NOT NULL ORDER BY age DESC LIMIT 1
"""
DEAD_ROWS: Final = "SELECT n_dead_tup, n_live_tup FROM pg_stat_user_tables WHERE relname = '_convexpy_queue'"


def check_revision(patient: Target) -> Iterator[Finding]:
    current = current_revision(patient.connection)
    if current == HEAD:
        yield ok("tables", f"convexpy's own are at {HEAD}")
    else:
        yield risk(
            "tables",
            f"convexpy's own are at {current or 'no revision'}, this version needs {HEAD}",
            "the app cannot start, and what follows about its queue was left out",
            "Run `convexpy db upgrade`",
        )


def check_workers(patient: Target) -> Iterator[Finding]:
    """Somebody must be there to run what is due, and no two machines may share a SQLite file."""
    now, timeout = patient.now(), patient.settings.heartbeat_timeout
    rows = patient.connection.execute(select(workers)).all()
    alive = [row for row in rows if now - row.heartbeat_time <= timeout]
    late, since = due_jobs(patient, now)
    if alive:
        last = min(max((now - max(row.heartbeat_time for row in alive)).total_seconds(), 0.0), timeout.total_seconds())
        yield ok("workers", f"{counted(len(alive), 'worker')} alive, the last heartbeat {about_time(last)} ago")
    elif late:
        yield risk(
            "workers",
            f"no worker is alive, and {counted(late, 'job')} {'is' if late == 1 else 'are'} due",
            "nobody runs what was scheduled",
            "Start `convexpy start` or `convexpy worker` on this database",
        )
    else:
        yield note("workers", "no worker is alive", "nobody will run what is scheduled", "`convexpy start` is one")
    if silent := len(rows) - len(alive):
        yield note(
            "workers",
            f"{counted(silent, 'worker')} silent for more than {about_time(timeout.total_seconds())}",
            "they died or hang; any worker that is alive recovers what they held",
            "Look into their logs" if alive else "Start a worker",
        )
    if not patient.is_postgres and len({machine_of(row.host) for row in alive}) > 1:
        yield risk(
            "workers",
            "workers on several machines use this file",
            "a lock file keeps the turn on one machine only, and SQLite on a network drive loses data",
            "Move to PostgreSQL, or keep all processes on one machine",
        )
    if since is not None and alive:
        yield lateness(late, (now - since).total_seconds())


def lateness(late: int, seconds: float) -> Finding:
    if seconds <= LATE.total_seconds():
        return ok("due jobs", f"the oldest of {late:,} is due for {about_time(seconds)}")
    return note(
        "due jobs",
        f"{counted(late, 'job')} waiting, the oldest due for {about_time(seconds)}",
        "the workers do not keep up, or what runs takes long",
        "Start more workers; `convexpy jobs list --state inProgress` shows what runs",
    )


def due_jobs(patient: Target, now: datetime) -> tuple[int, datetime | None]:
    """How many jobs are due and claimed by nobody, and since when the oldest is."""
    due = select(func.count(), func.min(queue.c.due_time)).where(queue.c.worker.is_(None), queue.c.due_time <= now)
    number, oldest = patient.connection.execute(due).one()
    return number, oldest


def check_dead_rows(patient: Target) -> Iterator[Finding]:
    """Whoever looks from the beginning of the queue steps over every dead row."""
    row = patient.connection.exec_driver_sql(DEAD_ROWS).one_or_none()
    dead, live = row if row is not None else (0, 0)
    seen = f"{dead:,} dead rows beside {live:,} live ones"
    if dead <= MANY_DEAD:
        yield ok("queue", seen)
        return
    weigh = risk if dead > TOO_MANY_DEAD else note
    todo = "End what is open for long (see `oldest transaction`), then VACUUM _convexpy_queue"
    yield weigh("queue", seen, "every look from its beginning steps over them", todo)


def check_horizon(patient: Target) -> Iterator[Finding]:
    """An old transaction keeps every row that was deleted since."""
    if not patient.ask("SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')"):
        yield note(
            "oldest transaction",
            "the transactions of other users cannot be seen",
            "one that is open for long keeps what is deleted, and fills the slots of serializable transactions",
            "GRANT pg_read_all_stats TO this user, or examine the database as another one",
        )
        return
    row = patient.connection.exec_driver_sql(HORIZON).one_or_none()
    if row is None or row.age <= OLD_SECONDS:
        yield ok("oldest transaction", f"open for {about_time(row.age)}" if row else "none is open")
        return
    weigh = risk if row.age > VERY_OLD_SECONDS else note
    yield weigh(
        "oldest transaction",
        f"{row.who} is in a transaction for {about_time(row.age)}",
        "what was deleted since cannot be cleaned up, so the tables grow, and looking for what is old slows down",
        "End it: SELECT pg_terminate_backend(…), or ROLLBACK PREPARED",
    )


def machine_of(host: str) -> str:
    """Where a worker runs, without its process namespace: containers of one machine share its locks."""
    return " ".join(host.split(" ")[:2])


def counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
