"""``_system/app``: what stands around every page, and what the palette finds."""

from __future__ import annotations

from datetime import timedelta
from importlib.metadata import version

import pytest
from sqlalchemy import insert

from convexpy import (
    ConvexError,
    JobId,
    MutationCtx,
    QueryCtx,
    SyncActionCtx,
    action,
    internal_mutation,
    mutation,
    query,
)
from convexpy._system import app
from convexpy.database import overview as stored
from convexpy.database.tables import error_minutes, errors
from convexpy.testing import ConvexTest


@action
def fail(ctx: SyncActionCtx) -> None:
    raise ValueError("no")


@mutation
def schedule(ctx: MutationCtx, seconds: int) -> JobId:
    return ctx.schedule.after(timedelta(seconds=seconds), fail)


@internal_mutation
def hidden(ctx: MutationCtx) -> None: ...


@query
def look(ctx: QueryCtx) -> str:
    return "seen"


def test_it_says_what_is_served_and_where(convex: ConvexTest, database: str | None) -> None:
    found = convex.run(app.overview)
    assert (found.name, found.mode, found.version) == ("test_system_app", "production", version("convexpy"))
    assert found.database.kind == ("SQLite" if database is None else "PostgreSQL")
    assert found.database.version[0].isdigit()
    assert found.database.bytes > 10_000
    assert (found.actor, found.writable) == ("local", True)
    assert found.retention_seconds == convex.convex.settings.retention.total_seconds()


def test_it_counts_jobs_that_wait_and_that_failed_lately(convex: ConvexTest) -> None:
    waits = [convex.run(schedule, seconds=9000) for _ in range(2)]
    convex.run(schedule, seconds=0)
    convex.run_due()
    counts = convex.run(app.overview).counts
    assert (counts.pending.count, counts.failed.count) == (len(waits), 1)
    convex.advance(minutes=61)
    counts = convex.run(app.overview).counts
    assert (counts.pending.count, counts.failed.count) == (len(waits), 0)


def test_counts_stop(convex: ConvexTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "MOST_COUNTED", 3)
    for _ in range(3):
        convex.run(schedule, seconds=9000)
    assert convex.run(app.overview).counts.pending == app.Count(count=3, more=False)
    convex.run(schedule, seconds=9000)
    assert convex.run(app.overview).counts.pending == app.Count(count=3, more=True)


def test_it_counts_groups_of_errors_that_are_new(convex: ConvexTest) -> None:
    now = convex.now
    with convex.convex.database.write_internal() as connection:
        for name, first in (("new", now - timedelta(minutes=5)), ("old", now - timedelta(days=2))):
            of_all = {"function": "a:b", "exception": "ValueError", "place": None, "message": "no", "trace": None}
            times = {"times": 2, "first_time": first, "last_time": now, "job_id": None}
            connection.execute(insert(errors), {"fingerprint": name, **of_all, **times})
            minute = {"minute": now - timedelta(minutes=5), "fingerprint": name, "process": "p", "times": 1}
            connection.execute(insert(error_minutes), minute)
    assert convex.run(app.overview).counts.errors.count == 1


def test_it_tells_of_the_workers_that_were_heard(convex: ConvexTest) -> None:
    workers = convex.run(app.overview).workers
    assert workers.count == 1
    assert workers.heard_time is not None
    assert abs(convex.now - workers.heard_time) < timedelta(minutes=1)


def test_functions_are_named_without_their_schemas(convex: ConvexTest) -> None:
    found = {each.name.rpartition(":")[2]: (each.kind, each.visibility) for each in convex.run(app.function_names)}
    assert found == {
        "fail": ("action", "public"),
        "hidden": ("mutation", "internal"),
        "look": ("query", "public"),
        "schedule": ("mutation", "public"),
    }


def test_jobs_are_found_by_how_their_ids_begin(convex: ConvexTest) -> None:
    ids = sorted(convex.run(schedule, seconds=9000) for _ in range(8))
    assert [each.id for each in convex.run(app.find_jobs, prefix=ids[2])] == [ids[2]]
    alike = [each for each in ids if each.startswith(ids[0][:4])]
    found = convex.run(app.find_jobs, prefix=ids[0][:4])
    assert [each.id for each in found] == alike[: app.MOST_FOUND]
    assert found[0].state == "pending"
    assert convex.run(app.find_jobs, prefix="0" * 32) == []
    for wrong in ("", "abc", "%%%%", "g000", "0" * 33):
        with pytest.raises(ConvexError):
            convex.run(app.find_jobs, prefix=wrong)
