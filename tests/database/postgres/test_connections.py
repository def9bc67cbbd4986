"""What a connection is asked for, and when it must not be used again."""

from __future__ import annotations

from contextlib import closing, suppress
from typing import Any

import psycopg
import pytest
from app.models import Note
from sqlalchemy import URL, text

from convexpy import ActionCtx, Convex, MutationCtx, Settings, internal_action, mutation
from convexpy.database import jobs
from convexpy.database.database import connect
from convexpy.database.errors import ConnectionLost
from convexpy.database.postgres.connection import cut_off
from convexpy.functions.declare import Kind

from .conftest import rows

backends: list[int] = []


@mutation
def write(ctx: MutationCtx) -> None:
    backends.append(ctx.db.execute(text("SELECT pg_backend_pid()")).scalar_one())
    if len(backends) == 1:  # a server that only reads, as an old primary does after a failover
        ctx.db.execute(text("SET TRANSACTION READ ONLY"))
    ctx.db.add(Note(text="written"))


@internal_action
async def act(ctx: ActionCtx) -> None:
    """It starts."""


@mutation
def plan(ctx: MutationCtx) -> None:
    ctx.schedule.now(act)


def test_a_connection_to_a_server_that_only_reads_is_not_used_again(near: Convex, url: URL) -> None:
    backends.clear()
    near.run(write)
    assert len(backends) == len(set(backends)) == 2
    assert rows(url, "SELECT text FROM notes") == [("written",)]


def test_the_start_of_an_action_always_waits_for_the_disk(near: Convex, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    start = jobs.start

    def noted(connection: Any, *rest: Any) -> bool:
        seen.append(connection.exec_driver_sql("SHOW synchronous_commit").scalar())
        return start(connection, *rest)

    monkeypatch.setattr(jobs, "start", noted)
    near.run(plan)
    (claim,) = near.worker.dispatcher.claim(Kind.ACTION, 1)
    near.calls.event_loop.submit(near.worker.executor.run_action(claim)).result()
    assert seen == ["on"]


def test_a_connection_that_breaks_without_an_error_is_lost(url: URL) -> None:
    with closing(connect(url, Settings())) as database, database.write() as held:
        held.check()
        cut_off(held.driver)
        with suppress(psycopg.Error):
            held.driver.execute("SELECT 1")  # behind the guard's back: nothing notes the error
        with pytest.raises(ConnectionLost, match="nothing of it is kept"):
            held.check()
