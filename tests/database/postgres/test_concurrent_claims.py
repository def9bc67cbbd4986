"""Workers that claim at the same moment: each gets jobs of its own, and none waits."""

from __future__ import annotations

from convexpy import Convex, MutationCtx, internal_mutation, mutation
from convexpy.database import jobs, workers
from convexpy.functions.declare import Kind


@mutation
def plan(ctx: MutationCtx) -> None:
    for _ in range(4):
        ctx.schedule.now(nothing)


@internal_mutation
def nothing(ctx: MutationCtx) -> None:
    """It need not even run."""


def test_two_that_claim_at_the_same_moment_get_different_jobs(near: Convex) -> None:
    near.run(plan)
    with near.database.write_internal() as connection:
        workers.register(connection, "one", near.clock.now(), workers.Version(near.clock.now(), {}))
    with near.database.write_internal() as connection:
        first = jobs.claim(connection, "mutation", "one", near.clock.now(), 2)
        second = near.worker.dispatcher.claim(Kind.MUTATION, 10)  # the first has not committed yet
    assert (len(first), len(second)) == (2, 2)
    assert len({claim.job_id for claim in (*first, *second)}) == 4
