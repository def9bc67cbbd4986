"""``_system/jobs:tree``: what began a job, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ..database.attempts import Attempt
from ..database.job_rows import names_of
from ..database.job_tree import TreeJob, tree_of
from ..database.types import JobId
from ..runtime.schedule import check_job_id
from .context import SystemQueryCtx, system_query
from .document import Document, UnixTime
from .job_lists import LISTED_EVERY, ListedJob


class RolledBackAttempt(Document):
    """An attempt of a job that left nothing, and was made again."""

    attempt: int
    started_time: UnixTime
    seconds: float
    outcome: Literal["conflict", "error", "lost"]
    error: str | None
    lost_to: str | None
    lost_on: str | None

    @classmethod
    def of(cls, attempt: Attempt) -> RolledBackAttempt:
        return cls(**{name: value for name, value in attempt._asdict().items() if name != "job_id"})


class JobNode(Document):
    """A job of a tree."""

    job: ListedJob
    link: Literal["first", "scheduled", "retried"]
    """``scheduled`` by the job above it, ``retried`` by hand, or among the ``first`` ones."""
    above: str | None
    depth: int
    rolled_back: Sequence[RolledBackAttempt]


class Tree(Document):
    """The jobs of a tree, each before those under it. What began it is the ``origin`` or the ``cron`` of the first."""

    nodes: Sequence[JobNode]
    is_cut: bool
    """There are more than 500."""


@system_query(refresh=LISTED_EVERY)
def tree(ctx: SystemQueryCtx, job_id: str) -> Tree | None:
    """The tree that a job is in: down from the request or the cron that began it. None: there is no such job.

    Raises:
        InvalidSchedule: This is not a job id.
    """
    found = tree_of(ctx.connection, check_job_id(job_id))
    if found is None:
        return None
    parents = names_of(ctx.connection, list({job.row.parent for job in found.jobs if job.row.parent}))
    return Tree(nodes=[node_of(job, parents) for job in found.jobs], is_cut=found.is_cut)


def node_of(job: TreeJob, parents: dict[JobId, str]) -> JobNode:
    return JobNode(
        job=ListedJob.of(job.row, parents),
        link=job.link,
        above=job.above,
        depth=job.depth,
        rolled_back=[RolledBackAttempt.of(attempt) for attempt in job.attempts],
    )
