"""How many jobs fit a filter, by state: up to a bound, and without looking at a job if its place tells enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Any, Final, NamedTuple

from sqlalchemy import bindparam, func, literal_column, select
from sqlalchemy.engine import Connection

from . import job_scans as scans
from .job_filter import SECTIONS, JobFilter
from .job_rows import count_fitting
from .job_search import places_of
from .job_statements import KINDS
from .scheduled_function import STATE_KINDS, StateKind
from .statement import Statement
from .tables import finished, jobs, queue
from .types import Timestamp

MOST_COUNTED: Final = 10_000
BATCH: Final = 2_500


class Count(NamedTuple):
    """How many jobs. ``more``: at least so many."""

    number: int
    more: bool


_since, _until = (bindparam(name, type_=Timestamp) for name in ("since", "until"))


def counting(rows: Any) -> Statement:
    """How many rows, up to a limit. They are in the order of an index, or the planner could read all of them."""
    return Statement(
        select(func.count().label("count")).select_from(rows.limit(bindparam("limit")).subquery("counted"))
    )


COUNT_WAITING: Final = counting(
    select(literal_column("1"))
    .where(queue.c.kind == bindparam("of_kind"), queue.c.worker.is_(None))
    .where(queue.c.due_time >= _since, queue.c.due_time < _until)
    .order_by(queue.c.due_time, queue.c.position)
)
COUNT_ENDED: Final = counting(
    select(literal_column("1"))
    .where(finished.c.state_kind == bindparam("end"))
    .where(finished.c.completed_time >= _since, finished.c.completed_time < _until)
    .order_by(finished.c.completed_time.desc(), finished.c.job_id.desc())
)


def states_of_function(condition: Any, order: Any) -> Statement:
    """The states of jobs of a function, up to a limit of jobs, and how many are in each."""
    looked_at = select(jobs.c.state_kind).where(jobs.c.name == bindparam("of"), condition).order_by(order)
    counted = looked_at.limit(bindparam("limit")).subquery("counted")
    grouped = select(counted.c.state_kind.label("state"), func.count().label("number"))
    return Statement(grouped.group_by(counted.c.state_kind))


_now: Final = bindparam("now", type_=Timestamp)
STATES_AHEAD: Final = states_of_function(jobs.c.scheduled_time > _now, jobs.c.scheduled_time)
STATES_BEFORE: Final = states_of_function(jobs.c.scheduled_time <= _now, jobs.c.scheduled_time.desc())


def counts(connection: Connection, wanted: JobFilter, now: datetime) -> dict[StateKind, Count]:
    """How many jobs fit in each state. With a text or a name, as far as they are among the first of their section."""
    if wanted.functions is not None and replace(wanted, functions=None, states=()) == JobFilter():
        return of_functions(connection, wanted, wanted.functions, now)
    if wanted.needs_jobs:
        return looked_up(connection, wanted, now)
    since, until = wanted.range
    claimed = [job for job in scans.claimed(connection) if since <= job.due_time < until]
    values = {"since": since, "until": until, "limit": MOST_COUNTED + 1}
    found = dict.fromkeys(STATE_KINDS, 0)
    found["inProgress"] = sum(1 for job in claimed if job.run_token)
    found["pending"] = sum(1 for job in claimed if not job.run_token)
    for kind in KINDS:
        found["pending"] += COUNT_WAITING.execute(connection, {"of_kind": kind, **values}).rows[0].count
    for end in wanted.ends:
        found[end] = COUNT_ENDED.execute(connection, {"end": end, **values}).rows[0].count
    return {state: bounded(found[state]) for state in wanted.allowed_states}


def of_functions(
    connection: Connection, wanted: JobFilter, functions: Sequence[str], now: datetime
) -> dict[StateKind, Count]:
    """Of each function, so many jobs are looked at: of those that are scheduled for later, and of those before."""
    found: dict[str, int] = {}
    is_cut = False
    for name in functions:
        for statement in (STATES_AHEAD, STATES_BEFORE):
            values = {"of": name, "now": now, "limit": MOST_COUNTED}
            states = {row.state: row.number for row in statement.execute(connection, values).rows}
            is_cut = is_cut or sum(states.values()) >= MOST_COUNTED
            add(found, states)
    more = {state for state in STATE_KINDS if is_cut and found.get(state)}
    return {state: bounded(found.get(state, 0), more=state in more) for state in wanted.allowed_states}


def looked_up(connection: Connection, wanted: JobFilter, now: datetime) -> dict[StateKind, Count]:
    """The first jobs of each section are looked at."""
    found: dict[str, int] = {}
    more = set[StateKind]()
    for section in SECTIONS:
        if not wanted.has_section(section):
            continue
        part = wanted.within(section)
        places = places_of(connection, wanted, section, None, now)
        left = MOST_COUNTED
        while left and (ids := [place.job_id for place in islice(places, min(BATCH, left))]):
            left -= len(ids)
            add(found, count_fitting(connection, part, ids))
        if not left and next(places, None) is not None:
            more.update(part.states)
    return {state: Count(found.get(state, 0), state in more) for state in wanted.allowed_states}


def add(found: dict[str, int], more: dict[str, int]) -> None:
    for state, count in more.items():
        found[state] = found.get(state, 0) + count


def bounded(count: int, *, more: bool = False) -> Count:
    return Count(min(count, MOST_COUNTED), more or count > MOST_COUNTED)


def due_between(connection: Connection, since: datetime, until: datetime, most: int) -> int:
    """How many jobs that wait are due in a span of time, up to a number."""
    values = {"since": since, "until": until, "limit": most}
    return sum(COUNT_WAITING.execute(connection, {"of_kind": kind, **values}).rows[0].count for kind in KINDS)
