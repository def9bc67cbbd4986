"""``_system/jobs:search``: jobs of a cron, and actions that run."""

from __future__ import annotations

from convexpy import ActionCtx, Crons, JobId, MutationCtx, action, internal_mutation, mutation
from convexpy._system import jobs
from convexpy._system.job_lists import Filter
from convexpy.testing import ConvexTest

seen: list[dict[str, str]] = []


@internal_mutation
def tick(ctx: MutationCtx) -> None: ...


@mutation
def act(ctx: MutationCtx) -> JobId:
    return ctx.schedule.now(look)


@action
async def look(ctx: ActionCtx) -> None:
    page = await ctx.run_query(jobs.search)
    counts = await ctx.run_query(jobs.counts)
    seen.append({job.name: job.state for job in page.jobs} | {"count": str(counts["inProgress"].count)})


crons = Crons()
crons.interval("hourly", tick, hours=1)


def test_jobs_of_a_cron_are_listed_by_its_name(convex: ConvexTest) -> None:
    convex.advance(hours=2)
    page = convex.run(jobs.search, filter=Filter(cron="hourly"), limit=2)
    assert [(job.cron, job.name) for job in page.jobs] == [("hourly", f"{__name__}:tick")] * 2
    counts = convex.run(jobs.counts, filter=Filter(cron="hourly"))
    assert (counts["success"].count, counts["pending"].count) == (3, 0)
    assert convex.run(jobs.search, filter=Filter(cron="nightly")).jobs == []


def test_an_action_that_runs_comes_first(convex: ConvexTest) -> None:
    seen.clear()
    convex.run(act)
    convex.run_due()
    (found,) = seen
    assert (next(iter(found)), found[f"{__name__}:look"], found["count"]) == (f"{__name__}:look", "inProgress", "1")
