"""The stored side of crons: what is declared, when each fires next, and the one who fires it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Text, delete, insert, select, type_coerce, update

from .tables import crons, jobs
from .types import JobId


def lock_crons(connection: Connection) -> None:
    """Until the end of the transaction, nobody else changes what is stored. On SQLite nobody can anyway."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"LOCK TABLE {crons.name} IN SHARE ROW EXCLUSIVE MODE")


def stored_crons(connection: Connection) -> dict[str, Any]:
    """Every stored cron by name."""
    return {row.name: row for row in connection.execute(select(crons).order_by(crons.c.name))}


def add_cron(connection: Connection, values: dict[str, Any]) -> None:
    connection.execute(insert(crons).values(values))


def change_cron(connection: Connection, name: str, values: dict[str, Any]) -> None:
    connection.execute(update(crons).where(crons.c.name == name).values(values))


def remove_crons(connection: Connection, names: Sequence[str]) -> None:
    connection.execute(delete(crons).where(crons.c.name.in_(names)))


def next_slot(connection: Connection) -> datetime | None:
    """When the first cron fires."""
    return connection.execute(select(crons.c.next_time).order_by(crons.c.next_time).limit(1)).scalar()


def due_crons(connection: Connection, now: datetime) -> list[Any]:
    """The crons whose slot has come."""
    with_text = select(crons, type_coerce(crons.c.args, Text).label("args_text"))
    return list(connection.execute(with_text.where(crons.c.next_time <= now).order_by(crons.c.next_time)))


def advance(connection: Connection, name: str, slot: datetime, following: datetime) -> bool:
    """Take a slot: exactly one caller gets True for it, however many try."""
    taken = update(crons).where(crons.c.name == name, crons.c.next_time == slot)
    return connection.execute(taken.values(next_time=following)).rowcount == 1


def remember_run(connection: Connection, name: str, slot: datetime | None, job_id: JobId) -> None:
    """Which job a slot became."""
    connection.execute(update(crons).where(crons.c.name == name).values(last_time=slot, last_job=job_id))


def is_running(connection: Connection, job_id: JobId | None) -> bool:
    """Whether the cron's last run is not over."""
    if job_id is None:
        return False
    return connection.execute(select(jobs.c.state_kind).where(jobs.c.id == job_id)).scalar() in (
        "pending",
        "inProgress",
    )
