"""The framework's own tables: live workers, due jobs, dead rows and old transactions."""

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

# The oldest open transaction: it keeps dead rows from being cleaned up.
HORIZON: Final = """
SELECT age, owner FROM (
    SELECT extract(epoch FROM clock_timestamp() - xact_start)::float AS age,
           'process ' || pid || coalesce(' of ' || nullif(application_name, ''), '') AS owner
    FROM pg_stat_activity
    WHERE pid <> pg_backend_pid() AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)
    UNION ALL
    SELECT extract(epoch FROM clock_timestamp() - prepared)::float, 'the prepared transaction ' || gid
    FROM pg_prepared_xacts
) AS open WHERE age IS NOT NULL ORDER BY age DESC LIMIT 1
"""
# By the search path, as every other statement finds the table: another schema may have one of the same name.
DEAD_ROWS: Final = "SELECT n_dead_tup, n_live_tup FROM pg_stat_user_tables WHERE relid = to_regclass('_convexpy_queue')"


def check_revision(target: Target) -> Iterator[Finding]:
    current = current_revision(target.connection)
    if current == HEAD:
        yield ok("tables", f"convexpy's own are at {HEAD}")
    else:
        yield risk(
            "tables",
            f"convexpy's own are at {current or 'no revision'}, this version needs {HEAD}",
            "the app cannot start, and the checks of its queue were left out",
            "Run `convexpy db upgrade`",
        )


def check_workers(target: Target) -> Iterator[Finding]:
    """At least one worker must be alive, and workers on two machines must not share a SQLite file."""
    now, timeout = target.now(), target.settings.heartbeat_timeout
    rows = target.connection.execute(select(workers)).all()
    alive = [row for row in rows if now - row.heartbeat_time <= timeout]
    late, since = due_jobs(target, now)
    if alive:
        last = min(max((now - max(row.heartbeat_time for row in alive)).total_seconds(), 0.0), timeout.total_seconds())
        yield ok("workers", f"{counted(len(alive), 'worker')} alive, the last heartbeat {about_time(last)} ago")
    elif late:
        yield risk(
            "workers",
            f"no worker is alive, and {counted(late, 'job')} {'is' if late == 1 else 'are'} due",
            "scheduled jobs do not run",
            "Start `convexpy start` or `convexpy worker` on this database",
        )
    else:
        yield note("workers", "no worker is alive", "scheduled jobs will not run", "Start one: `convexpy start`")
    if silent := len(rows) - len(alive):
        yield note(
            "workers",
            f"{counted(silent, 'worker')} silent for more than {about_time(timeout.total_seconds())}",
            "they died or hang; any live worker recovers their jobs",
            "Read their logs" if alive else "Start a worker",
        )
    if not target.is_postgres and len({machine_of(row.host) for row in alive}) > 1:
        yield risk(
            "workers",
            "workers on several machines use this file",
            "the write lock is a file lock, which holds on one machine only; SQLite on a network drive loses data",
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
        "the workers do not keep up, or running jobs take long",
        "Start more workers; `convexpy jobs list --state inProgress` shows what runs",
    )


def due_jobs(target: Target, now: datetime) -> tuple[int, datetime | None]:
    """How many jobs are due and unclaimed, and since when the oldest is."""
    due = select(func.count(), func.min(queue.c.due_time)).where(queue.c.worker.is_(None), queue.c.due_time <= now)
    number, oldest = target.connection.execute(due).one()
    return number, oldest


def check_dead_rows(target: Target) -> Iterator[Finding]:
    """A scan from the beginning of the queue steps over every dead row."""
    row = target.connection.exec_driver_sql(DEAD_ROWS).one_or_none()
    dead, live = row if row is not None else (0, 0)
    seen = f"{dead:,} dead rows beside {live:,} live ones"
    if dead <= MANY_DEAD:
        yield ok("queue", seen)
        return
    mark = risk if dead > TOO_MANY_DEAD else note
    todo = "End old transactions (see `oldest transaction`), then VACUUM _convexpy_queue"
    yield mark("queue", seen, "every scan from the beginning of the queue steps over them", todo)


def check_horizon(target: Target) -> Iterator[Finding]:
    """An old transaction keeps every row that was deleted since it began."""
    if not target.scalar("SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')"):
        yield note(
            "oldest transaction",
            "the transactions of other users cannot be seen",
            "an old one keeps deleted rows, and fills the slots of serializable transactions",
            "GRANT pg_read_all_stats TO this user, or run `convexpy doctor` as another one",
        )
        return
    row = target.connection.exec_driver_sql(HORIZON).one_or_none()
    if row is None or row.age <= OLD_SECONDS:
        yield ok("oldest transaction", f"open for {about_time(row.age)}" if row else "none is open")
        return
    mark = risk if row.age > VERY_OLD_SECONDS else note
    yield mark(
        "oldest transaction",
        f"{row.owner} is in a transaction for {about_time(row.age)}",
        "rows that were deleted since cannot be cleaned up, so the tables grow, and scans for old rows slow down",
        "End it: SELECT pg_terminate_backend(…), or ROLLBACK PREPARED",
    )


def machine_of(host: str) -> str:
    """The machine of a worker, without its process namespace: containers of one machine share its locks."""
    return " ".join(host.split(" ")[:2])


def counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
