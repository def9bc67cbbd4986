"""Clients' calls: what was acknowledged is there, what failed is not, and what was never answered is all or nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from .records import Intent, Job
from .run import Run
from .verdict import Violation


def check(run: Run) -> Iterator[Violation]:
    """I1, I3, I9: each call's effect and jobs against its outcome, and nothing that was not asked for."""
    for intent in run.intents.values():
        if intent.op == "direct":
            yield from check_effect(run, intent)
        elif intent.op in ("schedule", "direct_and_schedule"):
            yield from check_effect(run, intent)
            yield from check_jobs(run, intent)
    yield from check_marks(run)
    for call in run.direct_effects:
        if call not in run.intents:
            yield Violation("ghost-effect", f"an effect of the call {call}, which no client made", (call,))
    for call, jobs in run.roots_of.items():
        if call not in run.intents:
            ids = tuple(job.id for job in jobs)
            yield Violation("ghost-job", f"{len(jobs)} jobs of the call {call}, which no client made", (call, *ids))


def check_effect(run: Run, intent: Intent) -> Iterator[Violation]:
    """A call that only schedules may leave a mark, and need not."""
    number = len(run.direct_effects.get(intent.call, ()))
    found = f"the call {intent.call} was answered {intent.outcome!r} and has {number} effects"
    if number > 1:
        yield Violation("effect-twice", found, (intent.call,))
    elif number and intent.outcome == "fail":
        yield Violation("aborted-effect", found, (intent.call,))
    elif not number and intent.outcome == "ok" and intent.op != "schedule":
        yield Violation("lost-effect", found, (intent.call,))


def check_jobs(run: Run, intent: Intent) -> Iterator[Violation]:
    """All of a call's jobs, exactly once, with its effect; or none of them, without it."""
    jobs = run.roots_of.get(intent.call, [])
    marks = len(run.direct_effects.get(intent.call, ()))
    wanted = wanted_jobs(intent, jobs)
    found = f"the call {intent.call} was answered {intent.outcome!r} and has {len(jobs)} jobs of {wanted}"
    about = (intent.call, *(job.id for job in jobs))
    if acknowledged_and_gone(run, intent):
        yield Violation("lost-job", f"{found}; its job {intent.job} is gone", (*about, str(intent.job)))
    elif not jobs and intent.outcome == "ok" and not run.was_purged(intent.job or ""):
        yield Violation("lost-job", found, about)
    elif jobs and intent.job is not None and intent.job not in {job.id for job in jobs}:
        yield Violation("wrong-answer", f"{found}; the answer is the job {intent.job}, another call's", about)
    if len(jobs) > wanted or len({job.call for job in jobs}) < len(jobs):
        yield Violation("scheduled-twice", found, about)
    elif jobs and intent.outcome == "fail":
        yield Violation("aborted-job", found, about)
    elif 0 < len(jobs) < wanted:
        yield Violation("torn-call", found, about)
    is_torn = not jobs if marks else bool(jobs) and intent.op == "direct_and_schedule"
    if intent.outcome == "info" and is_torn:
        yield Violation("torn-call", f"{found}, and {marks} effects", about)


def acknowledged_and_gone(run: Run, intent: Intent) -> bool:
    job = intent.job
    return job is not None and intent.outcome == "ok" and job not in run.jobs and not run.was_purged(job)


def wanted_jobs(intent: Intent, jobs: list[Job]) -> int:
    """One job that bears the call's own name, or as many as the call has children, each with a name of its own."""
    if any(job.call == intent.call for job in jobs):
        return 1
    return max(1, intent.children)


def check_marks(run: Run) -> Iterator[Violation]:
    """Where calls that schedule for a time leave a mark, each mark has its job, and each such job its mark."""
    if run.marks is None:
        return
    marked = {mark.job for mark in run.marks}
    for call, number in Counter(mark.call for mark in run.marks).items():
        if number > 1:
            yield Violation("effect-twice", f"the call {call} left {number} marks", (call,))
    for mark in run.marks:
        if mark.job not in run.jobs and not run.was_purged(mark.job):
            text = f"the call {mark.call} left a mark, and its job {mark.job} does not exist"
            yield Violation("torn-call", text, (mark.call, mark.job))
    for job in run.jobs.values():
        intent = run.intents.get(job.call or "") if job.parent is None else None
        if intent is not None and intent.due is not None and job.id not in marked:
            yield Violation(
                "torn-call", f"the job {job.id} of {job.call} exists without its mark", (job.id, intent.call)
            )
