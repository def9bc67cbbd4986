"""``_system/jobs:tree`` and ``details``: what began a job, and what came of it."""

from __future__ import annotations

import pytest

from convexpy import ActionCtx, JobId, MutationCtx, action, internal_mutation, mutation
from convexpy._system import jobs
from convexpy.database.job_tree import tree_of
from convexpy.testing import ConvexTest

UNKNOWN = "0" * 32


@mutation
def place(ctx: MutationCtx, amount: int) -> JobId:
    return ctx.schedule.after(5_000, charge, amount=amount)


@action
async def charge(ctx: ActionCtx, amount: int) -> None:
    if amount < 0:
        raise ValueError("no bank takes that")
    await ctx.run_mutation(paid, amount=amount)


@internal_mutation
def paid(ctx: MutationCtx, amount: int) -> None:
    for _ in range(amount):
        ctx.schedule.now(notify)


@internal_mutation
def notify(ctx: MutationCtx) -> None: ...


def shape(convex: ConvexTest, job_id: str) -> list[tuple[int, str, str, str]]:
    tree = convex.run(jobs.tree, job_id=job_id)
    assert tree is not None
    return [(node.depth, node.job.name.partition(":")[2], node.link, node.job.state) for node in tree.nodes]


def test_a_tree_goes_from_the_first_job_down_to_the_last(convex: ConvexTest) -> None:
    job_id = convex.run(place, amount=2)
    convex.advance(seconds=5)
    convex.run_due()
    whole = [
        (0, "charge", "first", "success"),
        (1, "notify", "scheduled", "success"),
        (1, "notify", "scheduled", "success"),
    ]
    assert shape(convex, job_id) == whole
    tree = convex.run(jobs.tree, job_id=job_id)
    assert tree is not None
    origin = tree.nodes[0].job.origin
    assert origin is not None
    assert (origin.function, origin.caller) == (f"{__name__}:place", "python")
    assert shape(convex, tree.nodes[-1].job.id) == whole
    assert tree.nodes[-1].job.parent_name == f"{__name__}:charge"


def test_a_retry_by_hand_is_under_the_job_that_it_repeats(convex: ConvexTest) -> None:
    job_id = convex.run(place, amount=-1)
    convex.advance(seconds=5)
    again = convex.run(jobs.retry, job_id=job_id)
    convex.run_due()
    whole = [(0, "charge", "first", "failed"), (1, "charge", "retried", "failed")]
    assert (shape(convex, job_id), shape(convex, again)) == (whole, whole)
    job = convex.run(jobs.details, job_id=job_id)
    assert job is not None
    assert (job.retried_as, job.retried_state, job.message) == (again, "failed", "no bank takes that")
    assert job.trace[-1].frames[-1].function == "charge"
    assert convex.call("_system/jobs:tree", {"job_id": again})["nodes"][1]["job"]["retryOf"] == job_id


def test_a_large_tree_is_cut_and_the_job_is_in_it(convex: ConvexTest) -> None:
    job_id = convex.run(place, amount=9)
    convex.advance(seconds=5)
    with convex.convex.database.read_internal() as connection:
        tree = tree_of(connection, job_id, most=4)
    assert tree is not None
    assert (len(tree.jobs), tree.is_cut) == (4, True)
    assert job_id in {job.row.id for job in tree.jobs}


@pytest.mark.parametrize("function", ["tree", "details"])
def test_of_a_job_that_never_existed_there_is_none(convex: ConvexTest, function: str) -> None:
    assert convex.call(f"_system/jobs:{function}", {"job_id": UNKNOWN}) is None
