"""Children: scheduled with the commit of their parent, all of them, once; never by one that did not commit."""

from __future__ import annotations

from collections.abc import Iterator

from .records import Job
from .run import Run
from .verdict import Violation


def check(run: Run) -> Iterator[Violation]:
    """I3: each parent's children against its state."""
    for job in run.jobs.values():
        yield from check_parent(run, job)
    for parent, children in run.children_of.items():
        if parent not in run.jobs and not run.was_purged(parent):
            ids = tuple(child.id for child in children)
            yield Violation("orphan", f"{len(ids)} jobs of the parent {parent}, which does not exist", (parent, *ids))


def check_parent(run: Run, job: Job) -> Iterator[Violation]:
    children = run.children_of.get(job.id, [])
    wanted = wanted_children(run, job)
    found = f"the {job.kind} {job.call} (job {job.id}) is {job.state} and has {len(children)} children"
    found += "" if wanted is None else f" of {wanted}"
    about = (job.id, *(child.id for child in children))
    named = [child.call for child in children if child.call is not None]
    if len(set(named)) < len(named) or (wanted is not None and len(children) > wanted):
        yield Violation("scheduled-twice", found, about)
    elif job.state == "success" and wanted is not None and len(children) < wanted:
        yield Violation("torn-children", found, about)
    if not children:
        return
    if job.kind == "mutation" and job.state != "success":
        yield Violation("child-of-uncommitted", found, about)
    elif job.kind == "action" and not run.steps.get(job.id):
        yield Violation("child-of-unstarted", found, about)


def wanted_children(run: Run, job: Job) -> int | None:
    """How many children a success must have: as its arguments say, or the client's log. None: there is no telling."""
    if job.children is not None or job.call is None:
        return job.children
    intent = run.intents.get(job.call)
    return intent.children if intent is not None and job.parent is None and job.cron is None else 0
