"""Work that nothing awaits is no success: it would not be done, or not as part of the run."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any

import pytest
from app.models import Note
from sqlalchemy import select
from support.apps import app_of

from convexpy import (
    ActionCtx,
    CallNotAllowed,
    InvalidResult,
    JobId,
    LoadError,
    MutationCtx,
    QueryCtx,
    SyncActionCtx,
    action,
    mutation,
    query,
)
from convexpy.testing import ConvexTest


async def send(text: str) -> str:
    raise AssertionError("it is never awaited")


def logged(handler: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator of another library, which knows nothing of coroutines."""

    @functools.wraps(handler)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return handler(*args, **kwargs)

    return wrapper


@mutation
def write(ctx: MutationCtx, text: str) -> None:
    ctx.db.add(Note(text=text))


@query
def texts(ctx: QueryCtx) -> list[str]:
    return list(ctx.db.scalars(select(Note.text)))


@query
def query_returns_a_coroutine(ctx: QueryCtx):  # type: ignore[no-untyped-def]
    return send("a")


@mutation
def mutation_returns_a_coroutine(ctx: MutationCtx) -> Any:
    ctx.db.add(Note(text="never"))
    ctx.schedule.now(write, text="never")
    return send("a")


@mutation
@logged
async def wrapped_mutation(ctx):  # type: ignore[no-untyped-def]
    ctx.db.add(Note(text="never"))


@action
def action_returns_a_coroutine(ctx: SyncActionCtx) -> Any:
    return send("a")


@action
def action_says_it_returns_nothing(ctx: SyncActionCtx) -> None:
    return send("a")  # type: ignore[return-value]


@action
@logged
async def wrapped_action(ctx):  # type: ignore[no-untyped-def]
    await send("a")


@action
async def async_action_returns_a_coroutine(ctx: ActionCtx) -> Any:
    return send("a")


UNAWAITED = [
    query_returns_a_coroutine,
    mutation_returns_a_coroutine,
    wrapped_mutation,
    action_returns_a_coroutine,
    action_says_it_returns_nothing,
    wrapped_action,
    async_action_returns_a_coroutine,
]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("function", UNAWAITED)
@pytest.mark.in_turns
def test_a_handler_that_returns_what_it_should_await_fails(convex: ConvexTest, function: Any) -> None:
    with pytest.raises(InvalidResult, match=r"test_unawaited_work\.py:\d+.*not awaited\. \w+"):
        convex.run(function)
    assert convex.run(texts) == []
    assert convex.jobs() == []


@mutation
def schedule(ctx: MutationCtx, name: str) -> JobId:
    return ctx.schedule.now(name)  # type: ignore[arg-type]


@pytest.mark.parametrize("function", UNAWAITED[1:])
@pytest.mark.in_turns
def test_its_job_is_failed(convex: ConvexTest, function: Any) -> None:
    job_id = convex.run(schedule, name=function.name)
    convex.run_due()
    job = convex.job(job_id)
    assert job is not None
    assert job.state.kind == "failed"
    assert "not awaited" in str(job.state.error)


@query
def query_returns_a_generator(ctx: QueryCtx) -> Any:
    return (note.text for note in ctx.db.scalars(select(Note)))


def test_a_generator_as_a_result_is_refused(convex: ConvexTest) -> None:
    with pytest.raises(InvalidResult, match="Return a list"):
        convex.run(query_returns_a_generator)


@query
def list_from_a_generator(ctx: QueryCtx) -> list[str]:
    return (text for text in ("a", "b"))  # type: ignore[return-value]


def test_a_generator_that_the_annotation_makes_a_list_is_one(convex: ConvexTest) -> None:
    assert convex.run(list_from_a_generator) == ["a", "b"]


@action
async def forgets_to_await(ctx: ActionCtx) -> str:
    await ctx.run_mutation(write, text="awaited")
    ctx.run_mutation(write, text="forgotten")  # type: ignore[unused-coroutine]
    return "done"


@action
async def forgets_a_call_by_name(ctx: Any) -> None:
    ctx.run_query("test_unawaited_work:texts")


@action
async def forgets_an_action(ctx: ActionCtx) -> None:
    ctx.run_action(forgets_to_await)  # type: ignore[unused-coroutine]


@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("function", [forgets_to_await, forgets_a_call_by_name, forgets_an_action])
def test_an_action_that_forgets_to_await_a_call_fails(convex: ConvexTest, function: Any) -> None:
    with pytest.raises(CallNotAllowed, match=r"test_unawaited_work\.py:\d+.*does not await it"):
        convex.run(function)
    assert convex.run(texts) == (["awaited"] if function is forgets_to_await else [])


@action
async def awaits_in_other_ways(ctx: ActionCtx) -> None:
    await asyncio.gather(ctx.run_mutation(write, text="a"), ctx.run_mutation(write, text="b"))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(ctx.run_mutation(write, text="c"))
    later = ctx.run_mutation(write, text="d")
    await later


def test_calls_may_be_awaited_by_tasks(convex: ConvexTest) -> None:
    convex.run(awaits_in_other_ways)
    assert sorted(convex.run(texts)) == ["a", "b", "c", "d"]


def test_a_decorator_that_hides_the_async_is_named_when_the_app_loads() -> None:
    @logged
    async def handler(ctx: ActionCtx) -> None: ...

    with pytest.raises(LoadError, match="decorator"), ConvexTest(app_of(action(handler))):
        pass


def test_a_listener_that_is_async_is_refused(convex: ConvexTest) -> None:
    async def listen(run: Any) -> None: ...

    with pytest.raises(TypeError, match="Make it `def`"):
        convex.convex.on_run(listen)  # type: ignore[arg-type]
