"""Jobs are listed pending first, soonest first; then all others, latest first: the newest is in sight."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from app.models import Base
from support.apps import START

from convexpy import (
    ActionCtx,
    InvalidArguments,
    JobId,
    MutationCtx,
    QueryCtx,
    ScheduledFunction,
    action,
    mutation,
    query,
)
from convexpy.testing import ConvexTest


@mutation
def work(ctx: MutationCtx, fails: bool = False) -> None:
    if fails:
        raise ValueError("on purpose")


@mutation
def schedule(ctx: MutationCtx, seconds: float, fails: bool = False) -> JobId:
    return ctx.schedule.after(timedelta(seconds=seconds), work, fails=fails)


@mutation
def cancel(ctx: MutationCtx, job_id: JobId) -> None:
    ctx.schedule.cancel(job_id)


@query
def listed(ctx: QueryCtx, limit: int = 100, state: str | None = None, name: str | None = None) -> list[str]:
    wanted: Any = state
    return [job.id for job in ctx.system.scheduled_functions(limit=limit, state=wanted, name=name)]


@mutation
def listed_within_a_mutation(ctx: MutationCtx, job_id: JobId) -> list[str]:
    """With what it has scheduled and canceled itself."""
    ctx.schedule.after(timedelta(days=9), work)
    ctx.schedule.cancel(job_id)
    return [job.id for job in ctx.system.scheduled_functions()]


@action
async def listed_in_an_action(ctx: ActionCtx, state: str) -> list[ScheduledFunction]:
    wanted: Any = state
    return await ctx.system.scheduled_functions(state=wanted)


@pytest.fixture
def convex(request: pytest.FixtureRequest, database: str) -> Iterator[ConvexTest]:
    with ConvexTest(request.module, metadata=Base.metadata, database_url=database, now=START) as convex:
        yield convex


@pytest.fixture
def history(convex: ConvexTest) -> list[JobId]:
    """Jobs of every state, in the order in which they are to be listed."""
    first_success = convex.run(schedule, seconds=0)
    failure = convex.run(schedule, seconds=1, fails=True)
    canceled = convex.run(schedule, seconds=3600)
    convex.advance(seconds=2)
    convex.run(cancel, job_id=canceled)
    convex.advance(seconds=2)
    success = convex.run(schedule, seconds=0)
    convex.advance(seconds=2)
    newest_failure = convex.run(schedule, seconds=0, fails=True)
    convex.advance(seconds=2)
    later, sooner = convex.run(schedule, seconds=9000), convex.run(schedule, seconds=8000)
    return [sooner, later, newest_failure, success, canceled, failure, first_success]


def test_whatever_its_state_the_latest_comes_first_after_the_pending_ones(
    convex: ConvexTest, history: list[JobId]
) -> None:
    assert convex.run(listed) == history
    assert [job.id for job in convex.jobs()] == history
    assert [job["id"] for job in convex.call("_system/jobs:list")] == history
    assert [job.id for job in convex.jobs(name=work.name)] == history


def test_a_short_list_has_the_first_of_them(convex: ConvexTest, history: list[JobId]) -> None:
    for limit in range(1, 8):
        assert convex.run(listed, limit=limit) == history[:limit]


def test_the_newest_failure_is_in_sight_behind_many_successes(convex: ConvexTest) -> None:
    for _ in range(10):
        convex.run(schedule, seconds=0)
    convex.advance(seconds=1)
    failed = convex.run(schedule, seconds=0, fails=True)
    convex.advance(seconds=1)
    assert convex.run(listed, limit=3)[0] == failed
    assert convex.run(listed, limit=3, name=work.name)[0] == failed


def test_a_mutation_sees_its_own_changes_in_the_same_order(convex: ConvexTest, history: list[JobId]) -> None:
    sooner, later, *ended = history
    new, *rest = (job_id for job_id in convex.run(listed_within_a_mutation, job_id=later) if job_id != sooner)
    assert new not in history
    assert rest == [later, *ended]


def test_a_misspelt_state_is_an_error_everywhere(convex: ConvexTest) -> None:
    wrong: Any = "faild"
    for ask in (
        lambda: convex.run(listed, state=wrong),
        lambda: convex.run(listed_in_an_action, state=wrong),
        lambda: convex.jobs(state=wrong),
        lambda: convex.call("_system/jobs:list", {"state": wrong}),
    ):
        with pytest.raises(InvalidArguments, match="failed"):
            ask()
