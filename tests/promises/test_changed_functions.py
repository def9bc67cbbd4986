"""A function that is another one, or none, by the time at which its job runs.

==== ======================================================================================
S6   test_a_function_that_vanished_later_fails_its_job
==== ======================================================================================
"""

from __future__ import annotations

import pytest
from support.apps import START, app_of

from convexpy import ActionCtx, ConvexError, JobId, MutationCtx, QueryCtx, action, mutation, query
from convexpy.testing import ConvexTest

promise = pytest.mark.promise


@mutation
def work(ctx: MutationCtx, data: str = "") -> None: ...


@promise("S6")
def test_a_function_that_vanished_later_fails_its_job(database: str) -> None:
    @mutation
    def start(ctx: MutationCtx) -> tuple[JobId, JobId]:
        return ctx.schedule.now(work), ctx.schedule.now(act)

    @action
    async def act(ctx: ActionCtx) -> None: ...

    with ConvexTest(app_of(work, start, act), database_url=database, now=START) as before:
        ids = before.run(start)
    with ConvexTest(app_of(start), database_url=database, now=START) as after:
        after.run_due()
        for job_id, name in zip(ids, ("made:work", "made:act"), strict=True):
            job = after.job(job_id)
            assert job is not None
            assert job.state.kind == "failed"
            assert job.state.error is not None
            assert f"there is no function {name!r}" in job.state.error


@promise("S6")
def test_a_function_that_became_a_query_fails_its_job(database: str) -> None:
    @mutation
    def start(ctx: MutationCtx) -> JobId:
        return ctx.schedule.now(work)

    @query
    def became_a_query(ctx: QueryCtx, data: str = "") -> None: ...

    with ConvexTest(app_of(work, start), database_url=database, now=START) as before:
        job_id = before.run(start)
    with ConvexTest(app_of(work=became_a_query), database_url=database, now=START) as after:
        after.run_due()
        assert after.job(job_id).state.kind == "failed"  # type: ignore[union-attr]
        with pytest.raises(ConvexError, match="is a query now"):
            after.call("_system/jobs:retry", {"job_id": job_id})


def test_a_function_that_became_an_action_runs_as_what_it_is(database: str) -> None:
    ran = []

    @mutation
    def start(ctx: MutationCtx) -> JobId:
        return ctx.schedule.now(work)

    @action
    async def became_an_action(ctx: ActionCtx, data: str = "") -> None:
        ran.append(ctx.job)

    with ConvexTest(app_of(work, start), database_url=database, now=START) as before:
        job_id = before.run(start)
    with ConvexTest(app_of(work=became_an_action), database_url=database, now=START) as after:
        after.run_due()
        assert after.job(job_id).state.kind == "success"  # type: ignore[union-attr]
    assert len(ran) == 1
