"""Rows of jobs by id, as lists show them: long arguments and errors are cut."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final, NamedTuple

from sqlalchemy import ARRAY, Text, any_, bindparam, func, or_, select, type_coerce
from sqlalchemy.engine import Connection

from .job_filter import JobFilter
from .job_statements import values_of
from .statement import Statement
from .tables import jobs
from .types import JobId, Timestamp

MOST_CHARACTERS: Final = 400


class JobRow(NamedTuple):
    """A job in a list."""

    id: JobId
    name: str
    kind: str
    state: str
    args: str
    """JSON, up to a length."""
    error: str | None
    last_error: str | None
    scheduled_time: datetime
    next_try: datetime | None
    started_time: datetime | None
    completed_time: datetime | None
    attempts: int
    cron: str | None
    parent: JobId | None
    request: str | None
    origin: str | None


class NameCount(NamedTuple):
    """How many jobs of a function are in a state."""

    state: str
    name: str
    number: int


def cut(column: Any) -> Any:
    return func.substr(type_coerce(column, Text), 1, MOST_CHARACTERS)


COLUMNS: Final = (
    jobs.c.id,
    jobs.c.name,
    jobs.c.kind,
    jobs.c.state_kind.label("state"),
    cut(jobs.c.args).label("args"),
    cut(jobs.c.state_error).label("error"),
    cut(jobs.c.last_error).label("last_error"),
    jobs.c.scheduled_time,
    jobs.c.next_try,
    jobs.c.started_time,
    jobs.c.completed_time,
    jobs.c.attempts,
    jobs.c.cron,
    jobs.c.parent,
    jobs.c.request,
    jobs.c.origin,
)
# What a filter calls the time of a job.
TIME: Final = func.coalesce(jobs.c.completed_time, jobs.c.started_time, jobs.c.next_try, jobs.c.scheduled_time)


def one_of(column: Any, name: str, dialect: str) -> Any:
    """Whether a column is one of the values of a list, which is given as ``packed``."""
    if dialect == "postgresql":
        return column == any_(func.string_to_array(bindparam(name, type_=Text), ",", type_=ARRAY(Text)))
    return column.in_(select(values_of(name)))


def packed(values: Sequence[str], dialect: str) -> str:
    """A list of ids, states or names as one value."""
    return ",".join(values) if dialect == "postgresql" else json.dumps(values)


@cache
def by_ids(dialect: str, *, with_names: bool, with_text: bool, counted: bool) -> Statement:
    """The jobs with these ids that fit, or how many fit of each function and state."""
    conditions = [
        one_of(jobs.c.id, "ids", dialect),
        one_of(jobs.c.state_kind, "states", dialect),
        TIME.between(bindparam("since", type_=Timestamp), bindparam("until", type_=Timestamp)),
    ]
    if with_names:
        conditions.append(one_of(jobs.c.name, "names", dialect))
    if with_text:
        patterns = bindparam("plain", type_=Text), bindparam("escaped", type_=Text)
        args = (type_coerce(jobs.c.args, Text).ilike(pattern, escape="\\") for pattern in patterns)
        errors = (each.ilike(patterns[0], escape="\\") for each in (jobs.c.state_error, jobs.c.last_error))
        conditions.append(or_(*args, *errors))
    if counted:
        grouped = select(jobs.c.state_kind, jobs.c.name, func.count()).where(*conditions)
        return Statement(grouped.group_by(jobs.c.state_kind, jobs.c.name), row=NameCount)
    return Statement(select(*COLUMNS).where(*conditions), row=JobRow)


def fitting(connection: Connection, wanted: JobFilter, ids: Sequence[JobId]) -> dict[JobId, JobRow]:
    """Those of these jobs that fit, by id."""
    statement = by_ids(connection.dialect.name, counted=False, **parts_of(wanted))
    rows = statement.execute(connection, values_for(connection, wanted, ids)).rows
    return {row.id: row for row in rows if fits(wanted, row.name, row.cron)}


def count_fitting(connection: Connection, wanted: JobFilter, ids: Sequence[JobId]) -> dict[str, int]:
    """How many of these jobs fit, by state. Their cron is not looked at."""
    statement = by_ids(connection.dialect.name, counted=True, **parts_of(wanted))
    found: dict[str, int] = {}
    for state, name, number in statement.execute(connection, values_for(connection, wanted, ids)).rows:
        if wanted.fits_name(name):
            found[state] = found.get(state, 0) + number
    return found


def parts_of(wanted: JobFilter) -> dict[str, bool]:
    return {"with_names": wanted.functions is not None, "with_text": bool(wanted.text)}


def fits(wanted: JobFilter, name: str, cron: str | None) -> bool:
    return wanted.fits_name(name) and wanted.cron in (None, cron)


def values_for(connection: Connection, wanted: JobFilter, ids: Sequence[JobId]) -> dict[str, Any]:
    dialect, (since, until) = connection.dialect.name, wanted.range
    states = packed(wanted.allowed_states, dialect)
    text = wanted.patterns if wanted.text else {}
    names = {} if wanted.functions is None else {"names": packed(wanted.functions, dialect)}
    return {"ids": packed(ids, dialect), "states": states, "since": since, "until": until, **text, **names}


@cache
def names_by_ids(dialect: str) -> Statement:
    return Statement(select(jobs.c.id, jobs.c.name).where(one_of(jobs.c.id, "ids", dialect)))


def names_of(connection: Connection, ids: Sequence[JobId]) -> dict[JobId, str]:
    """The functions of these jobs, as far as they are still known."""
    if not ids:
        return {}
    dialect = connection.dialect.name
    rows = names_by_ids(dialect).execute(connection, {"ids": packed(ids, dialect)}).rows
    return {row.id: row.name for row in rows}
