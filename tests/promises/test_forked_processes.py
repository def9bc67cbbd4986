"""An app that was made, used or started before ``os.fork()``: parent and child both go on, and share nothing.

That is what ``gunicorn --preload`` and ``multiprocessing`` with the method "fork" do.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from app.models import Order
from sqlalchemy import func, select
from support.apps import app_of
from support.forks import Child, fork
from support.waiting import PATIENCE_SECONDS, wait_until

from convexpy import (
    ActionCtx,
    Convex,
    DatabaseError,
    MutationCtx,
    QueryCtx,
    Settings,
    TransactionEnded,
    action,
    mutation,
    query,
)

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

CALLS = 40
REFUSED, WRONG = 3, 4
# Only notifications wake a worker in time; found by polling, a job would come too late.
SETTINGS = Settings(poll_interval=timedelta(hours=1), lock_timeout=timedelta(seconds=2), mutation_retries=2)

holding = threading.Event()
release = threading.Event()


@mutation
def add(ctx: MutationCtx, order_id: str) -> str:
    ctx.db.add(Order(id=order_id))
    return order_id


@query
def count(ctx: QueryCtx) -> int:
    return ctx.db.scalar(select(func.count()).select_from(Order)) or 0


@mutation
def add_later(ctx: MutationCtx, order_id: str) -> None:
    ctx.schedule.now(add_from_action, order_id=order_id)


@action
async def add_from_action(ctx: ActionCtx, order_id: str) -> str:
    await asyncio.sleep(0)
    return await ctx.run_mutation(add, order_id=order_id)


@mutation
def add_and_fork(ctx: MutationCtx, order_id: str) -> int:
    ctx.db.add(Order(id=order_id))
    ctx.db.flush()
    return fork()


@mutation
def hold(ctx: MutationCtx, order_id: str) -> None:
    ctx.db.get_one(Order, order_id).status = "held"
    ctx.db.flush()
    holding.set()
    assert release.wait(PATIENCE_SECONDS)


@mutation
def change(ctx: MutationCtx, order_id: str) -> None:
    ctx.db.get_one(Order, order_id).status = "changed"


@pytest.fixture
def convex(database: str) -> Iterator[Convex]:
    holding.clear()
    release.clear()
    functions = app_of(add, count, add_later, add_from_action, add_and_fork, hold, change)
    with Convex(database, functions=functions, settings=SETTINGS) as convex:
        yield convex


def add_many(convex: Convex, name: str) -> bool:
    """Whether each call got the answer to its own question."""
    ids = [f"{name}-{number}" for number in range(CALLS)]
    return all(convex.run(add, order_id=each) == each and convex.run(count) > 0 for each in ids)


@pytest.mark.parametrize("used", [True, False])
def test_parent_and_children_call_at_the_same_time(convex: Convex, used: bool) -> None:
    if used:
        convex.run(add, order_id="first")
        convex.run(count)
    children = [Child(lambda: add_many(convex, "one")), Child(lambda: add_many(convex, "two"))]
    assert add_many(convex, "parent")
    assert [child.result() for child in children] == [True, True]
    assert convex.run(count) == 3 * CALLS + used


def test_actions_run_in_a_child(convex: Convex) -> None:
    convex.run(add_from_action, order_id="parent")
    assert Child(lambda: convex.run(add_from_action, order_id="child")).result() == "child"
    assert Child(lambda: asyncio.run(convex.run_async(add_from_action, order_id="async"))).result() == "async"
    assert convex.run(add_from_action, order_id="again") == "again"


def test_a_started_worker_goes_on_in_the_parent(convex: Convex) -> None:
    with convex.running():
        convex.run(add_later, order_id="parent")
        wait_until(lambda: convex.run(count) == 1, "the job of the parent runs")
        Child(lambda: convex.run(add_later, order_id="child")).result()
        wait_until(lambda: convex.run(count) == 2, "the job of the child runs in the parent")
        convex.run(add_later, order_id="again")
        wait_until(lambda: convex.run(count) == 3, "the parent goes on")


@pytest.mark.parametrize("where", ["before", "beside"])
def test_a_child_of_a_running_app_can_start_a_worker_of_its_own(convex: Convex, where: str) -> None:
    """``before``: the parent's worker has stopped. ``beside``: it runs, and either may run a job."""

    def work_in_child() -> None:
        with convex.running():
            convex.run(add_later, order_id="child")
            wait_until(lambda: convex.run(count) == 2, "both jobs run")

    with convex.running():
        if where == "beside":
            convex.run(add_later, order_id="parent")
            Child(work_in_child).result()
    if where == "before":
        convex.run(add_later, order_id="parent")
        Child(work_in_child).result()
    assert convex.run(count) == 2


def test_what_a_child_commits_outlives_its_parents_connections(convex: Convex, database: str) -> None:
    convex.run(add, order_id="first")
    convex.run(count)
    go_reader, go_writer = os.pipe()
    ready_reader, ready_writer = os.pipe()

    def in_child() -> list[int]:
        counts = [convex.run(count)]
        convex.run(add, order_id="one")
        os.write(ready_writer, b"!")
        os.read(go_reader, 1)  # the parent has closed its connections
        convex.run(add, order_id="two")
        with Convex(database, functions=app_of(add, count), settings=SETTINGS) as another:
            counts.append(another.run(count))
        return [*counts, convex.run(count)]

    child = Child(in_child)
    os.read(ready_reader, 1)
    convex.close()
    os.write(go_writer, b"!")
    assert child.result() == [1, 3, 3]
    with Convex(database, functions=app_of(count), settings=SETTINGS) as again:
        assert again.run(count) == 3
    for end in (go_reader, go_writer, ready_reader, ready_writer):
        os.close(end)


def test_a_child_forked_within_a_mutation_commits_nothing(convex: Convex, database: str) -> None:
    convex.run(count)

    def in_child() -> tuple[str, int]:
        try:
            pid = convex.run(add_and_fork, order_id="once")
        except TransactionEnded as error:
            os._exit(after_fork(error))
        _, status = os.waitpid(pid, 0)
        return "committed", os.waitstatus_to_exitcode(status)

    def after_fork(error: TransactionEnded) -> int:
        if "this process was forked within a transaction" not in str(error):
            return WRONG
        try:
            convex.run(add, order_id="child")
        except DatabaseError as refused:
            return REFUSED if "Fork outside of queries and mutations" in str(refused) else WRONG
        return 0

    expected = REFUSED if database.startswith("sqlite") else 0
    assert Child(in_child).result() == ("committed", expected)
    assert convex.run(count) == (1 if expected == REFUSED else 2)


def test_a_fork_does_not_disturb_a_long_transaction(convex: Convex, database: str) -> None:
    convex.run(add, order_id="o1")
    thread = threading.Thread(target=convex.run, args=(hold,), kwargs={"order_id": "o1"})
    thread.start()
    assert holding.wait(PATIENCE_SECONDS)

    def in_child() -> str:
        try:
            return convex.run(add, order_id="child")
        except DatabaseError as refused:
            with pytest.raises(DatabaseError, match="forked while its parent was in a transaction"):
                Convex(database, functions=app_of(add))
            return str(refused)

    try:
        answer = Child(in_child).result()
    finally:
        release.set()
        thread.join()
    if database.startswith("sqlite"):
        assert "forked while its parent was in a transaction" in answer
    else:
        assert answer == "child"
    convex.run(change, order_id="o1")
    assert Child(lambda: convex.run(add, order_id="later")).result() == "later"


def test_a_parent_that_dies_holds_nothing_for_its_child(convex: Convex, database: str) -> None:
    convex.run(add, order_id="o1")

    def hold_and_fork() -> int:
        threading.Thread(target=convex.run, args=(hold,), kwargs={"order_id": "o1"}, daemon=True).start()
        assert holding.wait(PATIENCE_SECONDS)
        if (pid := fork()) == 0:
            signal.pause()
        return pid  # this process ends now, in the middle of its transaction

    grandchild = Child(hold_and_fork).result()
    try:
        with Convex(database, functions=app_of(change), settings=SETTINGS) as another:
            another.run(change, order_id="o1")
    finally:
        os.kill(grandchild, signal.SIGKILL)
