"""Every run has context variables of its own: it sees those of its caller, and leaves none behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from decimal import getcontext
from typing import Any

import pytest
from app.models import Note
from sqlalchemy import select
from support.faults import PlannedErrors, a_conflict

from convexpy import ActionCtx, MutationCtx, QueryCtx, SyncActionCtx, action, mutation, query
from convexpy.testing import ConvexTest

TENANT: ContextVar[str] = ContextVar("tenant", default="none")
seen: list[str] = []
planned = PlannedErrors()


@pytest.fixture(autouse=True)
def as_a_request() -> Iterator[None]:
    seen.clear()
    planned.reset()
    before = TENANT.set("request")
    yield
    TENANT.reset(before)


def look_and_set() -> None:
    seen.append(TENANT.get())
    TENANT.set("left behind")


@query
def run_query(ctx: QueryCtx) -> None:
    look_and_set()


@mutation
def run_mutation(ctx: MutationCtx) -> None:
    look_and_set()


@action
async def run_action(ctx: ActionCtx) -> None:
    look_and_set()
    await asyncio.sleep(0)
    assert TENANT.get() == "left behind"


@action
def run_sync_action(ctx: SyncActionCtx) -> None:
    look_and_set()


EVERY_KIND = [run_query, run_mutation, run_action, run_sync_action]


@pytest.mark.parametrize("function", EVERY_KIND)
def test_a_direct_call_sees_the_variables_of_its_caller_and_leaves_none(convex: ConvexTest, function: Any) -> None:
    for _ in range(2):
        convex.run(function)
    assert seen == ["request"] * 2
    assert TENANT.get() == "request"


@pytest.mark.parametrize("function", EVERY_KIND)
def test_an_awaited_call_sees_them_and_leaves_none(convex: ConvexTest, function: Any) -> None:
    async def request() -> None:
        TENANT.set("async request")
        for _ in range(2):
            await convex.run_async(function)
        assert TENANT.get() == "async request"

    asyncio.run(request())
    assert seen == ["async request"] * 2


@mutation
def schedule_every_kind(ctx: MutationCtx) -> None:
    for _ in range(2):
        ctx.schedule.now(run_mutation)
        ctx.schedule.now(run_action)
        ctx.schedule.now(run_sync_action)


def test_a_job_sees_none_of_its_scheduler_and_none_of_another_job(convex: ConvexTest) -> None:
    convex.run(schedule_every_kind)
    convex.run_due()
    assert seen == ["none"] * 6


@action
async def call_every_kind(ctx: ActionCtx) -> None:
    TENANT.set("action")
    await ctx.run_query(run_query)
    await ctx.run_mutation(run_mutation)
    await ctx.run_action(run_action)
    await ctx.run_action(run_sync_action)
    assert TENANT.get() == "action"


@mutation
def call_both_kinds(ctx: MutationCtx) -> None:
    TENANT.set("mutation")
    ctx.run_query(run_query)
    ctx.run_mutation(run_mutation)
    assert TENANT.get() == "mutation"


def test_nested_calls_see_those_of_the_call_around_them_and_leave_none(convex: ConvexTest) -> None:
    convex.run(call_every_kind)
    convex.run(call_both_kinds)
    assert seen == ["action"] * 4 + ["mutation"] * 2


@mutation
def meet_conflicts(ctx: MutationCtx) -> None:
    look_and_set()
    ctx.db.scalars(select(Note)).all()
    planned.raise_next()


def test_every_try_begins_with_those_of_the_caller(convex: ConvexTest) -> None:
    planned.reset(a_conflict(), a_conflict())
    convex.run(meet_conflicts)
    assert seen == ["request"] * 3


async def as_tenant(ctx: ActionCtx) -> AsyncIterator[ActionCtx]:
    before = TENANT.set("middleware")
    await asyncio.sleep(0)
    yield ctx
    await asyncio.sleep(0)
    TENANT.reset(before)
    seen.append(TENANT.get())


@action.use(as_tenant)
async def run_within_middleware(ctx: ActionCtx) -> None:
    seen.append(TENANT.get())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await asyncio.sleep(60)
    seen.append(await asyncio.create_task(look_in_a_task()))
    with pytest.raises(ValueError, match="raised by what was awaited"):
        await asyncio.gather(raise_later())


async def look_in_a_task() -> str:
    return TENANT.get()


async def raise_later() -> None:
    await asyncio.sleep(0)
    raise ValueError("raised by what was awaited")


def test_an_async_action_keeps_its_context_over_every_await(convex: ConvexTest) -> None:
    convex.run(run_within_middleware)
    assert seen == ["middleware", "middleware", "request"]


@mutation
def schedule_rough_counts(ctx: MutationCtx) -> None:
    ctx.schedule.now(set_digits)
    ctx.schedule.now(set_digits)


@mutation
def set_digits(ctx: MutationCtx) -> None:
    seen.append(str(getcontext().prec))
    getcontext().prec = 3


def test_the_precision_of_decimals_is_a_jobs_own(convex: ConvexTest) -> None:
    convex.run(schedule_rough_counts)
    convex.run_due()
    assert seen == ["28", "28"]
