"""Actions that call actions need no place that their callers hold, and an action may have a time limit."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from app.models import Base, Note
from sqlalchemy import select
from support.apps import START, app_of
from support.waiting import PATIENCE_SECONDS, wait_until

from convexpy import (
    ActionCtx,
    Convex,
    FunctionTimeout,
    JobId,
    MutationCtx,
    Settings,
    SyncActionCtx,
    action,
    api,
    mutation,
)
from convexpy.testing import ConvexTest

SHORT = timedelta(seconds=0.2)
DEPTH = 18

may_end = threading.Event()
outside: list[Convex] = []
refused: list[BaseException] = []


@pytest.fixture(autouse=True)
def nothing_waits() -> Iterator[None]:
    may_end.clear()
    refused.clear()
    yield
    may_end.set()


@mutation
def write(ctx: MutationCtx, text: str) -> None:
    ctx.db.add(Note(text=text))


@action
async def deep(ctx: ActionCtx, depth: int) -> int:
    return 1 + await ctx.run_action(api.made.deep_sync, depth=depth - 1) if depth else 0


@action
def deep_sync(ctx: SyncActionCtx, depth: int) -> int:
    return 1 + ctx.run_action(api.made.deep, depth=depth - 1) if depth else 0


@action
async def outer(ctx: ActionCtx, depth: int) -> int:
    """The same through the app itself, as code does that is given no context."""
    return 1 + await outside[0].run_async(outer_sync, depth=depth - 1) if depth else 0


@action
def outer_sync(ctx: SyncActionCtx, depth: int) -> int:
    return 1 + outside[0].run(outer, depth=depth - 1) if depth else 0


@mutation
def in_a_mutation(ctx: MutationCtx) -> int:
    return outside[0].run(reads)


@action
async def reads(ctx: ActionCtx) -> int:
    return len(await ctx.system.scheduled_functions())


@action
async def endless(ctx: ActionCtx) -> None:
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        await write_or_refuse(ctx)


@action
async def stubborn(ctx: ActionCtx) -> None:
    while not may_end.is_set():
        try:
            await asyncio.to_thread(may_end.wait, PATIENCE_SECONDS)
        except asyncio.CancelledError:
            continue
    await write_or_refuse(ctx)


async def write_or_refuse(ctx: ActionCtx) -> None:
    try:
        await ctx.run_mutation(write, text="too late")
    except FunctionTimeout as error:
        refused.append(error)


@action
def blocks(ctx: SyncActionCtx) -> None:
    may_end.wait(PATIENCE_SECONDS)
    try:
        ctx.run_mutation(write, text="too late")
    except FunctionTimeout as error:
        refused.append(error)


@action
def calls_blocks(ctx: SyncActionCtx) -> None:
    ctx.run_action(blocks)


@action
async def raises(ctx: ActionCtx, exits: bool) -> None:
    raise SystemExit(3) if exits else TimeoutError("its own")


@action
def quick(ctx: SyncActionCtx) -> str:
    ctx.run_mutation(write, text="quick")
    return "done"


@mutation
def plan(ctx: MutationCtx, name: str) -> JobId:
    return ctx.schedule.now(getattr(api.made, name))


FUNCTIONS: Any = (
    *(plan, write, deep, deep_sync, outer, outer_sync, in_a_mutation, reads),
    *(endless, stubborn, blocks, calls_blocks, raises, quick),
)
Open = Callable[..., ConvexTest]


@pytest.fixture
def opened(database: str) -> Iterator[Open]:
    tests: list[ConvexTest] = []

    def open_app(**settings: Any) -> ConvexTest:
        given = Settings(sqlite_synchronous="NORMAL", **settings)
        test = ConvexTest(app_of(*FUNCTIONS), metadata=Base.metadata, database_url=database, now=START, settings=given)
        tests.append(test.__enter__())
        outside[:] = [test.convex]
        return test

    yield open_app
    may_end.set()
    for test in tests:
        test.__exit__(None, None, None)


def ended(work: Callable[[], Any]) -> Any:
    """The result of what must not hang."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(work()), daemon=True)
    thread.start()
    thread.join(PATIENCE_SECONDS)
    assert results, "it hangs"
    return results[0]


# ------------------------------------------------------------------------------------------------ nested calls


@pytest.mark.parametrize("function", [deep, deep_sync, outer, outer_sync], ids=lambda function: function.__name__)
@pytest.mark.parametrize("limit", [None, timedelta(seconds=60)], ids=["no limit", "limit"])
def test_actions_that_call_actions_need_no_place_that_their_callers_hold(
    opened: Open, function: Any, limit: timedelta | None
) -> None:
    convex = opened(action_concurrency=2, action_time_limit=limit)
    assert ended(lambda: convex.run(function, depth=DEPTH)) == DEPTH


def test_many_deep_actions_at_once_end(opened: Open) -> None:
    convex = opened(action_concurrency=1)

    async def many() -> list[int]:
        return await asyncio.gather(*(convex.run_async(deep, depth=6) for _ in range(12)))

    assert ended(lambda: asyncio.run(many())) == [6] * 12


def test_an_action_that_a_mutation_waits_for_has_threads_for_its_reads(opened: Open) -> None:
    convex = opened(action_concurrency=1)
    assert ended(lambda: asyncio.run(convex.run_async(in_a_mutation))) == 0


# ------------------------------------------------------------------------------------------------ the time limit


@pytest.mark.parametrize("function", [endless, stubborn, blocks, calls_blocks], ids=lambda function: function.__name__)
def test_an_action_past_its_limit_fails_and_may_call_nothing(opened: Open, function: Any) -> None:
    convex = opened(action_time_limit=SHORT)
    with pytest.raises(FunctionTimeout, match=r"action_time_limit, 0\.2 s"):
        ended(lambda: raised_by(lambda: convex.run(function)))()
    may_end.set()
    wait_until(lambda: refused != [], "it is refused what it does after that")
    with convex.db() as db:
        assert db.scalars(select(Note.text)).all() == []


def raised_by(work: Callable[[], Any]) -> Callable[[], Any]:
    """What raises here what work raised there."""
    try:
        result = work()
    except BaseException as error:
        raised = error

        def again() -> Any:
            raise raised

        return again
    return lambda: result


@pytest.mark.parametrize("function", [endless, blocks], ids=lambda function: function.__name__)
def test_a_job_past_its_limit_is_failed(opened: Open, function: Any) -> None:
    convex = opened(action_time_limit=SHORT)
    job_id = convex.run(plan, name=function.__name__)
    convex.run_due()
    job = convex.job(job_id)
    assert job is not None
    assert job.state.kind == "failed"
    assert str(job.state.error).startswith("TIMEOUT: ")


def test_places_of_threads_that_never_return_are_given_to_others(opened: Open) -> None:
    convex = opened(action_concurrency=1, action_time_limit=SHORT)
    for _ in range(6):  # more than there are threads
        with pytest.raises(FunctionTimeout):
            convex.run(blocks)
    assert ended(lambda: convex.run(quick)) == "done"


def test_within_its_limit_an_action_is_as_without(opened: Open) -> None:
    convex = opened(action_time_limit=timedelta(seconds=60))
    assert convex.run(quick) == "done"
    with pytest.raises(TimeoutError, match="its own"):
        convex.run(raises, exits=False)
    with pytest.raises(SystemExit):
        convex.run(raises, exits=True)
    with pytest.raises(SystemExit):
        asyncio.run(convex.run_async(raises, exits=True))
