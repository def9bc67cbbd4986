"""Attempts of jobs that were rolled back: by a conflict, by an internal error, or as their worker was lost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, Literal, NamedTuple

from sqlalchemy import Connection, Text, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite

from .old_rows import OldRows
from .statement import Statement
from .tables import attempts as table
from .types import JobId

MOST_ROWS: Final = 1000

AttemptOutcome = Literal["conflict", "error", "lost"]


class ExplainedAttempt(NamedTuple):
    """Which function and table the conflict of an attempt was about, as far as that is known."""

    job_id: JobId
    attempt: int
    lost_to: str | None
    lost_on: str | None


class Attempt(NamedTuple):
    """An attempt that was rolled back."""

    job_id: JobId
    attempt: int
    started_time: datetime
    seconds: float
    outcome: AttemptOutcome
    error: str | None
    lost_to: str | None = None
    """Of a conflict, a moment later, and if it is known: the function that it lost to, and on which table."""
    lost_on: str | None = None


_new: Final = {column.name: bindparam(column.name, type_=column.type) for column in table.c}
ADD_ON_SQLITE: Final = Statement(sqlite.insert(table).values(_new).on_conflict_do_nothing())
ADD_ON_POSTGRES: Final = Statement(postgresql.insert(table).values(_new).on_conflict_do_nothing())
EXPLAIN: Final = Statement(
    update(table)
    .where(table.c.job_id == bindparam("of_job"), table.c.attempt == bindparam("of_attempt"))
    .values(lost_to=bindparam("to", type_=Text), lost_on=bindparam("on", type_=Text))
)
OLD_ATTEMPTS: Final = OldRows(table, table.c.started_time)


def add_attempt(connection: Connection, attempt: Attempt) -> None:
    """Record an attempt, within the transaction that gives its job back to the queue."""
    add = ADD_ON_POSTGRES if connection.dialect.name == "postgresql" else ADD_ON_SQLITE
    add.execute(connection, attempt._asdict())


def explain_attempts(connection: Connection, explained: Iterable[ExplainedAttempt]) -> None:
    """Record which function and table the conflicts of attempts were about."""
    for job_id, attempt, lost_to, lost_on in sorted(explained, key=lambda each: each[:2]):
        values = {"of_job": job_id, "of_attempt": attempt, "to": lost_to, "on": lost_on}
        EXPLAIN.execute(connection, values)


def attempts_of(connection: Connection, job_ids: Sequence[JobId]) -> list[Attempt]:
    """The rolled back attempts of these jobs, by job and in their order. The attempt that ended a job is none."""
    found = select(table).where(table.c.job_id.in_(job_ids)).order_by(table.c.job_id, table.c.attempt)
    return [Attempt(*row) for row in connection.execute(found.limit(MOST_ROWS))]
