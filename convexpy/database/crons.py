"""The stored side of crons: what live workers declare, when each cron fires next, and its last run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Text, delete, insert, select, type_coerce, update

from .jobs import changes_of
from .tables import crons, jobs, workers
from .types import JobId

# The arguments as the text that was stored, besides what they mean.
CRONS: Final = select(crons, type_coerce(crons.c.args, Text).label("args_text"))


class DeclaredCron(NamedTuple):
    """A cron as an app declares it: the texts of its timetable and of its arguments, and its function's name."""

    schedule: str
    function: str
    args: str


def declared_crons(connection: Connection, worker: str) -> dict[str, DeclaredCron] | None:
    """What all workers declare, by name; where two versions differ, the latest start decides.

    None: ``worker`` was given up as dead, so it may not judge what others do not declare.
    """
    started = select(workers.c.id, workers.c.crons).order_by(workers.c.started_time, workers.c.id)
    rows = connection.execute(started).all()
    if worker not in {row.id for row in rows}:
        return None
    return {name: DeclaredCron(*each) for row in rows for name, each in (row.crons or {}).items()}


def lock_crons(connection: Connection) -> None:
    """Until the end of the transaction, no other one changes what is stored. SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"LOCK TABLE {crons.name} IN SHARE ROW EXCLUSIVE MODE")


def stored_crons(connection: Connection) -> dict[str, Any]:
    """Every stored cron by name."""
    return {row.name: row for row in connection.execute(CRONS.order_by(crons.c.name))}


def as_declared(row: Any) -> DeclaredCron:
    """What a stored cron was declared as."""
    return DeclaredCron(row.schedule, row.function, row.args_text)


def add_cron(connection: Connection, values: dict[str, Any]) -> None:
    connection.execute(insert(crons).values(values))
    note_writes(connection, [values["name"]])


def change_cron(connection: Connection, name: str, values: dict[str, Any]) -> None:
    connection.execute(update(crons).where(crons.c.name == name).values(values))
    note_writes(connection, [name])


def remove_crons(connection: Connection, names: Sequence[str]) -> None:
    connection.execute(delete(crons).where(crons.c.name.in_(names)))
    note_writes(connection, names)


def next_slot(connection: Connection) -> datetime | None:
    """When the first cron fires."""
    return connection.execute(select(crons.c.next_time).order_by(crons.c.next_time).limit(1)).scalar()


def due_crons(connection: Connection, now: datetime) -> list[Any]:
    """The crons whose slot has come."""
    return list(connection.execute(CRONS.where(crons.c.next_time <= now).order_by(crons.c.next_time)))


def advance(connection: Connection, name: str, slot: datetime, following: datetime) -> bool:
    """Take a slot: exactly one caller gets True for it, however many try."""
    taken = update(crons).where(crons.c.name == name, crons.c.next_time == slot)
    if connection.execute(taken.values(next_time=following)).rowcount != 1:
        return False
    note_writes(connection, [name])
    return True


def remember_run(connection: Connection, name: str, slot: datetime | None, job_id: JobId) -> None:
    """Which job a slot became."""
    connection.execute(update(crons).where(crons.c.name == name).values(last_time=slot, last_job=job_id))
    note_writes(connection, [name])


def last_run(connection: Connection, name: str, now: datetime) -> Any:
    """The last slot of a cron that its history still has, as ``last_time`` and ``last_job``; None if there is none."""
    runs = select(jobs.c.scheduled_time.label("last_time"), jobs.c.id.label("last_job"))
    known = runs.where(jobs.c.cron == name, jobs.c.scheduled_time <= now)
    return connection.execute(known.order_by(jobs.c.scheduled_time.desc()).limit(1)).first()


def is_taken(connection: Connection, name: str, slot: datetime) -> bool:
    """Whether a slot is in the history of a cron already."""
    return (
        connection.execute(select(jobs.c.id).where(jobs.c.cron == name, jobs.c.scheduled_time == slot)).first()
        is not None
    )


def is_running(connection: Connection, job_id: JobId | None) -> bool:
    """Whether the cron's last run is not over."""
    if job_id is None:
        return False
    return connection.execute(select(jobs.c.state_kind).where(jobs.c.id == job_id)).scalar() in (
        "pending",
        "inProgress",
    )


def note_writes(connection: Connection, names: Sequence[str]) -> None:
    """Rows of these crons are written by the transaction: the commit log says so."""
    if names:
        changes_of(connection).writes.add(crons.name, {"name": names})
