"""NullNotifier, slowness and broken connections: nothing waits for ever, and all goes on when the network is back."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from app.models import Base, Note
from servers.wire import Wire
from sqlalchemy import URL, select, text

from convexpy import Convex, FunctionTimeout, InternalError, MutationCtx, QueryCtx, mutation, query
from convexpy.database.postgres import database as module
from convexpy.settings import Settings

from .conftest import QUICK, execute, rows

reached = threading.Event()
let_go = threading.Event()


@mutation
def write(ctx: MutationCtx, text: str = "written") -> None:
    ctx.db.add(Note(text=text))


@mutation
def write_and_schedule(ctx: MutationCtx, text: str = "scheduled") -> None:
    ctx.schedule.now(write, text=text)


@query
def read(ctx: QueryCtx) -> list[str]:
    return list(ctx.db.scalars(select(Note.text).order_by(Note.text)))


@mutation
def hang(ctx: MutationCtx, how: str) -> None:
    ctx.db.add(Note(id="1", text="never"))
    ctx.db.flush()
    reached.set()
    if how == "in SQL":
        ctx.db.execute(text("SELECT pg_sleep(60)"))
    while how == "in Python":
        pass


@pytest.fixture(autouse=True)
def not_reached() -> None:
    reached.clear()


def wait_until(url: URL, statement: str) -> None:
    deadline = time.monotonic() + 30
    while not rows(url, statement):
        assert time.monotonic() < deadline, f"not in time: {statement}"


def with_settings(url: URL, **values: Any) -> Convex:
    import sys

    text = url.render_as_string(hide_password=False)
    settings = Settings(**{**QUICK, **values})
    return Convex(text, functions=sys.modules[__name__], metadata=Base.metadata, settings=settings)


@pytest.mark.parametrize("how", ["in SQL", "in Python"])
def test_a_handler_past_its_limit_releases_its_locks(url: URL, how: str) -> None:
    with with_settings(url, mutation_time_limit=0.2) as convex:
        with pytest.raises(FunctionTimeout):
            convex.run(hang, how=how)
        execute(url, "INSERT INTO notes (id, text) VALUES ('1', 'free again')")
        assert convex.run(read) == ["free again"]


def test_a_silent_network_times_out_and_is_used_again_when_it_is_back(far_url: URL, url: URL, network: Wire) -> None:
    far_url = far_url.update_query_dict({"connect_timeout": "2"})
    with with_settings(far_url, mutation_time_limit=0.2, query_time_limit=0.2, mutation_retries=1) as convex:
        convex.database._limits = dict.fromkeys(("write", "read", "internal"), 0.3)  # type: ignore[attr-defined]
        convex.run(write)
        network.mode("blackhole")
        began = time.monotonic()
        with pytest.raises((InternalError, FunctionTimeout)):
            convex.run(read)
        with pytest.raises((InternalError, FunctionTimeout)):
            convex.run(write, text="lost")
        assert time.monotonic() - began < 60
        network.mode("pass")
        network.reset()
        convex.run(write, text="again")
        assert convex.run(read) == ["again", "written"]


def test_broken_connections_are_replaced_and_scheduled_jobs_run(
    convex: Convex, near: Convex, url: URL, network: Wire
) -> None:
    with convex.running():
        for number in range(1, 4):
            network.reset()
            near.run(write_and_schedule, text=f"{number}")
            wait_until(url, f"SELECT 1 WHERE (SELECT count(*) FROM _convexpy_finished) = {number}")
    assert near.run(read) == ["1", "2", "3"]


def test_backends_that_are_terminated_are_replaced(convex: Convex, near: Convex, url: URL) -> None:
    end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{url.database}'"
    with convex.running():
        for number in range(1, 4):
            execute(url, f"{end} AND pid <> pg_backend_pid()")
            near.run(write_and_schedule, text=f"{number}")
            wait_until(url, f"SELECT 1 WHERE (SELECT count(*) FROM _convexpy_finished) = {number}")
    assert near.run(read) == ["1", "2", "3"]


def test_an_exhausted_pool_is_an_internal_error_and_claims_go_on(url: URL) -> None:
    few = with_settings(url, database_connections=1, mutation_retries=0, lock_timeout=0.1)
    with few as convex, convex.database.write():
        with pytest.raises(InternalError, match="QueuePool limit"):
            convex.run(write)
        convex.worker.heartbeat.register()
        assert convex.worker.heartbeat.beat()


def test_a_worker_uses_no_more_connections_than_it_says(url: URL) -> None:
    seen = []
    counting = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{url.database}' AND pid <> pg_backend_pid()"
    with with_settings(url, database_connections=3, mutation_concurrency=8) as convex:
        for _ in range(100):
            convex.run(write_and_schedule)
        with convex.running():
            while not rows(url, "SELECT 1 WHERE (SELECT count(*) FROM _convexpy_finished) = 100"):
                seen.append(rows(url, counting)[0][0])
    assert max(seen) <= 3 + module.INTERNAL_CONNECTIONS + 1
