"""The mutations that are measured. Jobs record their start in their first line."""

from __future__ import annotations

from convexpy import MutationCtx, mutation

from ..starts import starts
from .models import Entry, write, write_by_driver


@mutation
def nothing(ctx: MutationCtx, i: int) -> None:
    """A job's own cost."""
    starts.job()


@mutation
def work(ctx: MutationCtx, i: int) -> None:
    """One UPDATE and one INSERT, through the session."""
    starts.job()
    write(ctx.db, i)


@mutation
def driver(ctx: MutationCtx, i: int) -> None:
    """The same statements as plain SQL, through the driver."""
    starts.job()
    connection = ctx.db.connection()
    write_by_driver(connection.exec_driver_sql, "?" if connection.dialect.name == "sqlite" else "%s", i)


@mutation
def direct(ctx: MutationCtx, i: int) -> None:
    write(ctx.db, i)


@mutation
def probe(ctx: MutationCtx, i: int) -> None:
    starts.sample(i)


@mutation
def schedule_probe(ctx: MutationCtx, i: int) -> None:
    """Writes a row as well, as most apps do."""
    ctx.db.add(Entry(job=i, note="x"))
    ctx.schedule.now(probe, i=i)


@mutation
def save_and_schedule(ctx: MutationCtx, i: int) -> None:
    """One row and one job, in one transaction."""
    ctx.db.add(Entry(job=i, note="x"))
    ctx.schedule.now(nothing, i=i)


@mutation
def write_and_schedule(ctx: MutationCtx, i: int) -> None:
    """The same with plain SQL through the driver, as the peers do."""
    ctx.db.connection().exec_driver_sql("INSERT INTO entry (job, note) VALUES (%s, 'x')", (i,))
    ctx.schedule.now(nothing, i=i)


@mutation
def fill(ctx: MutationCtx, job: str, first: int, count: int) -> None:
    function = {"nothing": nothing, "work": work, "driver": driver}[job]
    for i in range(first, first + count):
        ctx.schedule.now(function, i=i)


@mutation
def wait(ctx: MutationCtx) -> None:
    """The job of a backlog."""


@mutation
def schedule_wait(ctx: MutationCtx, milliseconds: int) -> str:
    """One job, due at this Unix time."""
    return ctx.schedule.at(milliseconds, wait)
