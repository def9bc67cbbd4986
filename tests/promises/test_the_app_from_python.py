"""``Convex(...)`` in a process of one's own: migrate, run, and call, with real threads and the real time.

Shown here, from "The app, from Python": the example itself; the door to public and internal functions; async code; and
S2, S11 and C2 once more, under the real time.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from app.maintenance import get_daily_stats
from app.models import Base, Order, User
from app.orders import get_order, process_order
from app.plugins import email
from sqlalchemy import create_engine
from sqlalchemy.orm import Session
from support.apps import app_of
from support.waiting import wait_until

from convexpy import (
    ActionCtx,
    CallNotAllowed,
    Convex,
    ConvexError,
    Crons,
    DatabaseError,
    Identity,
    JobId,
    LoadError,
    MutationCtx,
    QueryCtx,
    Settings,
    action,
    mutation,
    query,
)

promise = pytest.mark.promise


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'shop.db'}"


@pytest.fixture
def convex(url: str) -> Iterator[Convex]:
    """The shop, with an order and a user in it."""
    engine = create_engine(url)
    Base.metadata.create_all(engine)
    with Session(engine) as db, db.begin():
        db.add_all([User(id="u1"), Order(id="o1")])
    engine.dispose()
    with Convex(url, functions="app", metadata=Base.metadata) as convex:
        convex.migrate()
        yield convex


def ends_of(convex: Convex, name: str) -> Callable[[], str]:
    """Waits for the next run of a function to end, and says how it did."""
    outcomes: list[str] = []
    ended = threading.Semaphore(0)

    def listen(run: Any) -> None:
        if run.name == name:
            outcomes.append(run.outcome)
            ended.release()

    convex.on_run(listen)

    def wait() -> str:
        assert ended.acquire(timeout=60), f"{name} did not run"
        return outcomes.pop(0)

    return wait


def test_the_example_of_the_documentation(convex: Convex) -> None:
    with convex.running():
        assert convex.run(get_order, order_id="o1").status == "new"
        convex.with_identity(Identity(subject="u1")).run(process_order, order_id="o1")
        assert convex.call("orders:get_order", {"order_id": "o1"}) == {"id": "o1", "status": "processing"}
        with pytest.raises(ConvexError, match="Not authenticated"):
            convex.call("orders:process_order", {"order_id": "o1"})
    (job,) = convex.call("_system/jobs:list", {"name": "orders:charge"})
    assert job["state"] == {"kind": "pending"}


def test_the_door_is_open_to_internal_functions(convex: Convex) -> None:
    assert convex.run(get_daily_stats) == 1
    assert convex.call("maintenance:get_daily_stats") == 1
    convex.call("plugins/email:send", {"to": "a@b.c"})
    assert email.outbox.pop() == "a@b.c"


@mutation
def work(ctx: MutationCtx) -> None: ...


@action
async def act(ctx: ActionCtx) -> None:
    await ctx.run_mutation(work)
    await ctx.schedule.now(work)


@mutation
def schedule(ctx: MutationCtx) -> list[JobId]:
    return [ctx.schedule.now(act), ctx.schedule.after(20, work)]


@query
def nothing(ctx: QueryCtx) -> None: ...


@query
def who(ctx: QueryCtx) -> str | None:
    return ctx.identity.subject if ctx.identity else None


@promise("S2", "S11", "C2")
def test_what_is_scheduled_runs_by_itself_while_the_app_is_running(url: str) -> None:
    crons = Crons()
    crons.interval("at once", work, hours=1)
    with Convex(url, functions=app_of(work, act, schedule, nothing, crons=crons)) as convex:
        convex.migrate()
        work_ends, act_ends = ends_of(convex, "made:work"), ends_of(convex, "made:act")
        with convex.running():
            assert work_ends() == "success"  # the cron
            convex.run(schedule)
            assert act_ends() == "success"
            assert (work_ends(), work_ends()) == ("success", "success")
        states = [(job["name"], job["state"]["kind"]) for job in convex.call("_system/jobs:list")]
        assert sorted(states) == [("made:act", "success")] + [("made:work", "success")] * 3
        convex.run(schedule)
    with Convex(url, functions=app_of(work, act, schedule, nothing)) as convex:
        assert len(convex.call("_system/jobs:list", {"state": "pending"})) == 2


def test_the_app_can_be_started_and_stopped_again(url: str) -> None:
    with Convex(url, functions=app_of(work, act, schedule)) as convex:
        convex.migrate()
        act_ends = ends_of(convex, "made:act")
        for _ in range(2):
            with convex.running():
                convex.run(schedule)
                assert act_ends() == "success"


@action
async def hang(ctx: ActionCtx) -> None:
    await asyncio.sleep(3600)


@action
async def cancel_itself(ctx: ActionCtx) -> None:
    raise asyncio.CancelledError


@mutation
def schedule_one(ctx: MutationCtx, name: str) -> JobId:
    return ctx.schedule.now(f"made:{name}")  # type: ignore[arg-type]


def test_an_app_that_is_started_again_is_no_longer_about_to_leave(url: str) -> None:
    functions = app_of(hang, cancel_itself, schedule_one)
    with Convex(url, functions=functions, settings=Settings(stop_grace=timedelta())) as convex:
        convex.migrate()
        ended = ends_of(convex, "made:cancel_itself")
        with convex.running():
            stopped = convex.run(schedule_one, name="hang")
            wait_until(lambda: bool(convex.call("_system/jobs:list", {"state": "inProgress"})), "it runs")
        with convex.running():
            canceled = convex.run(schedule_one, name="cancel_itself")
            assert ended() == "failed"
        errors = {job["id"]: job["state"].get("error") for job in convex.call("_system/jobs:list")}
    assert "the process was stopped" in str(errors[stopped])
    assert "the process was stopped" not in str(errors[canceled])


def test_functions_are_called_from_async_code(url: str) -> None:
    with Convex(url, functions=app_of(work, act, schedule, nothing, who)) as convex:
        convex.migrate()

        async def calls() -> None:
            assert len(await convex.run_async(schedule)) == 2
            await convex.run_async(nothing)
            await convex.run_async(act)
            assert await convex.with_identity(Identity("u1")).run_async(who) == "u1"
            await asyncio.gather(*(convex.run_async(work) for _ in range(10)))
            with pytest.raises(CallNotAllowed, match="run_async"):
                convex.run(act)

        asyncio.run(calls())


def test_a_database_without_the_frameworks_tables_is_a_clear_error(url: str) -> None:
    with Convex(url, functions=app_of(nothing)) as convex:
        with pytest.raises(DatabaseError, match=r"migrat|upgrade"):
            convex.run(nothing)
        with pytest.raises(DatabaseError, match=r"migrat|upgrade"):
            convex.start()
        convex.migrate()
        convex.migrate()
        convex.run(nothing)


def test_a_package_that_is_not_there_is_a_clear_error(url: str) -> None:
    with pytest.raises(LoadError, match="no package 'nowhere'"):
        Convex(url, functions="nowhere")
    with pytest.raises(DatabaseError, match="does not exist"):
        Convex("sqlite:////nowhere/at/all.db", functions=app_of(nothing))
    with pytest.raises(DatabaseError, match="in-memory"):
        Convex("sqlite://", functions=app_of(nothing))


def test_the_frameworks_tables_are_not_among_the_users_own(convex: Convex) -> None:
    assert not [name for name in Base.metadata.tables if name.startswith("_")]
