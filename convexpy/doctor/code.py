"""What the code and the database expect of each other: revisions, and the functions and arguments of pending jobs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from sqlalchemy import func, select

from ..database.tables import jobs, queue
from ..errors import ConvexError, DatabaseError
from ..functions.declare import Kind
from ..migrations.revision_gap import revision_gap
from .finding import Finding, note, ok, risk
from .target import Target

SAMPLE: Final = 1000
"""How many pending jobs of a function are looked at: those that are due first."""

PENDING: Final = queue.join(jobs, jobs.c.id == queue.c.job_id)


def check_revisions(target: Target) -> Iterator[Finding]:
    """The database must have every revision that the code knows."""
    if target.migrations is None:
        return
    try:
        gap = revision_gap(target.connection, target.migrations)
    except DatabaseError as error:
        yield risk("revisions", str(error), "`convexpy db upgrade` and `convexpy start` fail", "Correct the file")
        return
    if gap.unapplied:
        yield risk(
            "revisions",
            f"not applied: {', '.join(gap.unapplied)}",
            "the code expects tables that are not there yet, and jobs that are due would fail for good",
            "Run `convexpy db upgrade`",
        )
    elif gap.unknown:
        yield note(
            "revisions",
            f"the database is at {', '.join(gap.unknown)}, which is not in {target.migrations}",
            "it is ahead of this code",
            "Deploy the code that the revision belongs to",
        )
    else:
        yield ok("revisions", "the database has all that the code knows")


def check_jobs(target: Target) -> Iterator[Finding]:
    """Every pending job needs its function, and arguments that fit it."""
    if target.registry is None:
        return
    pending = (
        select(jobs.c.name, func.count()).select_from(PENDING).where(queue.c.run_token.is_(None)).group_by(jobs.c.name)
    )
    counts = sorted((name, number) for name, number in target.connection.execute(pending))
    problems = [finding for name, number in counts for finding in check_function(target, name, number)]
    yield from problems or [ok("pending jobs", "their functions exist, and their arguments fit")]


def check_function(target: Target, name: str, number: int) -> Iterator[Finding]:
    assert target.registry is not None
    waiting = f"{number:,} pending {'job' if number == 1 else 'jobs'} of {name}"
    try:
        function = target.registry.find(name)
    except ConvexError as error:
        why = "such a job fails for good once no worker knows its function"
        todo = f"Give the function that replaces it the old name: aliases=[{name!r}]; or `convexpy jobs cancel` them"
        yield risk("pending jobs", f"{waiting}: {error.message.rstrip('.')}", why, todo)
        return
    if function.kind is Kind.QUERY:
        yield risk(
            "pending jobs",
            f"{waiting}: it is a query by now",
            "a query cannot be a job, so they fail for good",
            "Give the query another name, or `convexpy jobs cancel` them",
        )
        return
    sample = (
        select(jobs.c.id, jobs.c.args)
        .select_from(PENDING)
        .where(jobs.c.name == name, queue.c.run_token.is_(None))
        .order_by(queue.c.due_time, queue.c.position)
        .limit(SAMPLE)
    )
    unfit: list[tuple[object, str]] = []
    for job_id, args in target.connection.execute(sample).all():
        try:
            function.arguments.load(name, json.dumps(args))
        except ConvexError as error:
            unfit.append((job_id, error.message))
    if unfit:
        job_id, problem = unfit[0]
        seen = waiting if number <= SAMPLE else f"the first {SAMPLE:,} of {waiting}"
        yield risk(
            "pending jobs",
            f"{len(unfit):,} of {seen} have arguments that no longer fit, {job_id} among them: {problem.rstrip('.')}",
            "such a job fails for good when it is due",
            "Let the function accept them, with a default for what is new; or `convexpy jobs cancel` them",
        )
