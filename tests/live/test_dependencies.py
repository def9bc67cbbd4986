"""What a run of a live query depends on: rows, jobs, the identity, the time, and what its declaration adds."""

from __future__ import annotations

import logging
import sys
from datetime import timedelta
from typing import Any

import pytest
from app.models import Note, Order, User
from sqlalchemy import create_engine, func, select, text
from support.apps import app_of
from support.waiting import PATIENCE_SECONDS, wait_until

from convexpy import Convex, JobId, LoadError, MutationCtx, QueryCtx, Settings, mutation, query
from convexpy.runtime.live_run import LiveRun
from convexpy.testing import ConvexTest

JOB = JobId("0" * 32)


class NamedCtx(QueryCtx):
    name: str


def with_name(ctx: QueryCtx) -> NamedCtx:
    return ctx.extend(NamedCtx, name="x")


@query
def nothing(ctx: QueryCtx) -> int:
    return 1


@query
def note(ctx: QueryCtx, number: int) -> str | None:
    return ctx.db.scalar(select(Note.text).where(Note.id == number))


@query
def whoami(ctx: QueryCtx) -> str | None:
    return ctx.identity.subject if ctx.identity else None


@query
def through_another(ctx: QueryCtx) -> str | None:
    return ctx.run_query(whoami)


@query.use(with_name)
def named(ctx: NamedCtx) -> str:
    return f"{ctx.name} {ctx.identity} {ctx.now}"


@query
def hour(ctx: QueryCtx) -> int:
    return ctx.now.hour


@query
def one_job(ctx: QueryCtx) -> bool:
    return ctx.system.get(JOB) is not None


@query
def all_jobs(ctx: QueryCtx) -> int:
    return len(ctx.system.scheduled_functions())


@query(reads=[User, Order.status, Note.__table__], refresh=timedelta(minutes=5))
def declared(ctx: QueryCtx) -> int:
    return ctx.run_query(inner)


@query(refresh=timedelta(minutes=1))
def inner(ctx: QueryCtx) -> int:
    return 0


@mutation
def add(ctx: MutationCtx, order_id: str) -> None:
    ctx.db.add(Order(id=order_id))


@query
def workers(ctx: QueryCtx) -> int:
    return ctx.db.execute(text("SELECT count(*) FROM _convexpy_workers")).scalar_one()


@query(refresh=timedelta(seconds=5))
def refreshed_workers(ctx: QueryCtx) -> int:
    return workers.handler(ctx)


@query
def count(ctx: QueryCtx) -> int:
    return ctx.db.scalar(select(func.count()).select_from(Note)) or 0


def run(convex: ConvexTest, function: Any, **args: Any) -> LiveRun:
    app = convex.convex
    reader = app.database.live_reader()
    try:
        with reader.snapshot() as snapshot:
            return app.calls.run_live(app.calls.bind(function, (), args), snapshot.transaction)
    finally:
        reader.close()


def test_rows_are_read_by_their_key(convex: ConvexTest) -> None:
    assert run(convex, note, number=3).reads.tables == {"notes": {("id", 3)}}
    found = run(convex, nothing)
    assert (found.value, found.reads.tables, found.reads.everything) == (1, {}, False)


@pytest.mark.parametrize(
    ("function", "identity", "now"),
    [(nothing, False, False), (whoami, True, False), (through_another, True, False), (hour, False, True)],
)
def test_the_identity_and_the_time_count_if_they_are_read(
    convex: ConvexTest, function: Any, identity: bool, now: bool
) -> None:
    depends = run(convex, function).depends
    assert (depends.identity, depends.now) == (identity, now)


def test_an_extended_context_is_no_way_around(convex: ConvexTest) -> None:
    depends = run(convex, named).depends
    assert (depends.identity, depends.now) == (True, True)


def test_jobs_are_read_one_by_one_or_all(convex: ConvexTest) -> None:
    assert run(convex, one_job).reads.tables == {"_scheduled_functions": {("id", JOB)}}
    assert run(convex, all_jobs).reads.tables == {"_scheduled_functions": None}
    assert not run(convex, one_job).depends.now


def test_what_no_commit_names_is_everything_unless_it_is_refreshed(convex: ConvexTest) -> None:
    assert run(convex, workers).reads.everything
    assert not run(convex, refreshed_workers).reads.everything


def test_a_declaration_adds_tables_and_the_shortest_refresh_counts(convex: ConvexTest) -> None:
    found = run(convex, declared)
    assert found.reads.tables == {"users": None, "orders": None, "notes": None}
    assert found.depends.refresh == timedelta(minutes=1)


def test_a_wrong_declaration_is_refused(database: str) -> None:
    for wrong in (5, timedelta(0), "1 min"):
        with pytest.raises(LoadError, match="refresh="):
            query(refresh=wrong)  # type: ignore[arg-type]
    with pytest.raises(LoadError, match="write a list"):
        query(reads="notes")

    @query(reads=[int])
    def reads_no_table(ctx: QueryCtx) -> None: ...

    with pytest.raises(LoadError, match="neither a mapped class"):
        Convex(database, functions=app_of(reads_no_table))


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_in_an_app_a_change_that_nobody_told_of_is_logged(database: str, caplog: pytest.LogCaptureFixture) -> None:
    engine = create_engine(database)
    settings = Settings(live_check=True)
    with (
        Convex(database, functions=sys.modules[__name__], settings=settings) as convex,
        convex.subscribe(count) as updates,
        caplog.at_level(logging.ERROR, "convexpy.live"),
    ):
        assert updates.get(PATIENCE_SECONDS) == 0
        with engine.begin() as connection:
            connection.execute(text("INSERT INTO notes (text) VALUES ('foreign')"))
        convex.run(add, order_id="o")
        assert updates.get(PATIENCE_SECONDS) == 1
        wait_until(lambda: "no commit is known" in caplog.text, "the record")
    assert ":count({}) has changed" in caplog.text
    engine.dispose()
