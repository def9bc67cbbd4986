"""A million finished jobs and many pending ones, made by the database itself."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection

FUNCTIONS = (
    ("orders:charge", "action"),
    ("orders:ship", "mutation"),
    ("mail:send", "action"),
    ("mail:send", "action"),
    ("reminders:send", "mutation"),
    ("stock:take", "mutation"),
    ("maintenance:refresh_prices", "mutation"),
    ("orders:mark_paid", "mutation"),
)
RETENTION = timedelta(days=7)
SOON = timedelta(minutes=30)
"""No pending job is due before: those that are there stay pending while something is measured."""


def write_many(connection: Connection, finished: int, pending: int, now: datetime) -> None:
    """Store so many finished jobs over the last seven days, and so many pending ones in the next thirty."""
    is_server = connection.dialect.name == "postgresql"
    execute = connection.exec_driver_sql
    execute(jobs_sql(0, finished, "ended", now, is_server=is_server))
    execute(jobs_sql(finished, pending, "ahead", now, is_server=is_server))
    execute(
        "INSERT INTO _convexpy_finished (state_kind, completed_time, job_id)"
        " SELECT state_kind, completed_time, id FROM _scheduled_functions AS made"
        " WHERE completed_time IS NOT NULL AND NOT EXISTS (SELECT 1 FROM _convexpy_finished WHERE job_id = made.id"
        " AND state_kind = made.state_kind AND completed_time = made.completed_time)"
    )
    execute(
        "INSERT INTO _convexpy_queue (job_id, kind, due_time, position)"
        " SELECT id, kind, scheduled_time, row_number() OVER (ORDER BY id) FROM _scheduled_functions"
        " WHERE state_kind = 'pending' AND id NOT IN (SELECT job_id FROM _convexpy_queue)"
    )
    execute("ANALYZE")


def jobs_sql(first: int, number: int, which: str, now: datetime, *, is_server: bool) -> str:
    """The statement that inserts finished jobs ("ended"), or pending ones ("ahead")."""
    span = RETENTION if which == "ended" else timedelta(days=30)
    begin = now if which == "ended" else now + SOON
    sign = "-" if which == "ended" else "+"
    scheduled = time_sql(begin, sign, span / max(1, number), f"(g - {first})", is_server=is_server)
    completed = scheduled if which == "ended" else "NULL"
    state = "'pending'" if which == "ahead" else STATES
    error = "NULL" if which == "ahead" else "CASE WHEN g % 50 = 0 THEN 'BankTimeout: no answer in 2 s' END"
    started = completed if which == "ended" else "NULL"
    attempts = "0" if which == "ahead" else "1"
    parts = (
        ID[is_server], case_sql([name for name, _ in FUNCTIONS]), case_sql([kind for _, kind in FUNCTIONS]),
        ARGS[is_server], scheduled, state, error, completed, attempts, started,
    )  # fmt: skip
    names = "id, name, kind, args, scheduled_time, state_kind, state_error, completed_time, attempts, started_time"
    return (
        f"INSERT INTO _scheduled_functions ({names}) SELECT {', '.join(parts)} FROM {numbers(first, number, is_server)}"
    )


STATES = "CASE WHEN g % 50 = 0 THEN 'failed' WHEN g % 100 = 1 THEN 'canceled' ELSE 'success' END"
ID = {
    True: "md5(g::text)",
    False: "printf('%08x', (g * 2654435761) % 4294967296) || printf('%024x', g)",
}
ARGS = {
    True: "json_build_object('order_id', md5('order' || g))::text",
    False: "json_object('order_id', printf('%032x', g * 7919))",
}


def numbers(first: int, number: int, is_server: bool) -> str:
    """The numbers after ``first``, as a table with the column ``g``."""
    if is_server:
        return f"generate_series({first + 1}, {first + number}) AS numbers (g)"
    return (
        f"(WITH RECURSIVE s (g) AS (VALUES ({first + 1}) UNION ALL SELECT g + 1 FROM s WHERE g < {first + number})"
        " SELECT g FROM s)"
    )


def case_sql(values: list[str]) -> str:
    """One of the values, by the number."""
    cases = " ".join(f"WHEN {n} THEN '{value}'" for n, value in enumerate(values))
    return f"CASE g % {len(values)} {cases} END"


def time_sql(begin: datetime, sign: str, step: timedelta, number: str, *, is_server: bool) -> str:
    """A time so many steps before or after another one, as it is stored."""
    microseconds = max(1, round(step.total_seconds() * 1_000_000))
    if is_server:
        return f"'{begin.isoformat()}'::timestamptz {sign} {number} * interval '{microseconds} microseconds'"
    return f"{round(begin.timestamp() * 1_000_000)} {sign} {number} * {microseconds}"
