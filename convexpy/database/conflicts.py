"""Conflict records: how often a function conflicted with another one, on which table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from .conflict_advice import ConflictStatements
from .jobs import changes_of
from .tables import conflicts, finished, jobs

UNKNOWN = ""


@dataclass(frozen=True)
class ConflictRecord:
    """``function`` was rolled back because of ``other`` on ``table``, so many times. None: unknown."""

    function: str
    other: str | None
    table: str | None
    times: int
    last_time: datetime
    statements: ConflictStatements | None = None
    """Those of both sides that met last. None: they are not known."""


def add_conflicts(connection: Connection, records: Sequence[ConflictRecord]) -> None:
    """Add to the stored records."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    new = dialect.insert(conflicts)
    added = {
        "times": conflicts.c.times + new.excluded.times,
        "last_time": new.excluded.last_time,
        "statements": func.coalesce(new.excluded.statements, conflicts.c.statements),
    }
    statement = new.on_conflict_do_update(index_elements=[*conflicts.primary_key], set_=added)
    # In one order, so that two processes that do this at once do not deadlock.
    rows = sorted((row_of(record) for record in records), key=lambda row: (row["function"], row["other_function"]))
    for row in rows:
        connection.execute(statement, row)
    changes_of(connection).writes.add(conflicts.name)


def row_of(record: ConflictRecord) -> dict[str, object]:
    return {
        "function": record.function,
        "other_function": record.other or UNKNOWN,
        "table_name": record.table or UNKNOWN,
        "times": record.times,
        "last_time": record.last_time,
        "statements": json.dumps(vars(record.statements)) if record.statements is not None else None,
    }


def list_conflicts(connection: Connection) -> list[ConflictRecord]:
    """All records, the most frequent first."""
    rows = connection.execute(select(conflicts).order_by(conflicts.c.times.desc(), conflicts.c.last_time.desc()))
    return [
        ConflictRecord(
            row.function,
            row.other_function or None,
            row.table_name or None,
            row.times,
            row.last_time,
            ConflictStatements(**json.loads(row.statements)) if row.statements else None,
        )
        for row in rows
    ]


def purge_conflicts(connection: Connection, before: datetime) -> None:
    """Delete records without a conflict since ``before``."""
    connection.execute(delete(conflicts).where(conflicts.c.last_time < before))
    changes_of(connection).writes.add(conflicts.name)


def finished_meanwhile(connection: Connection, began: datetime, ended: datetime, limit: int) -> list[str]:
    """Functions of the scheduled mutations that any process committed between two times, latest first."""
    when = finished.c.completed_time
    names = (
        select(jobs.c.name)
        .join(finished, finished.c.job_id == jobs.c.id)
        .where(finished.c.state_kind == "success", when.between(began, ended), jobs.c.kind == "mutation")
        .order_by(when.desc())
        .limit(limit)
    )
    return list(dict.fromkeys(connection.execute(names).scalars()))
