"""Actions: started at most once, and the row agrees with what they wrote outside of the database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from .records import Job
from .run import Run
from .verdict import Violation


def check(run: Run) -> Iterator[Violation]:
    """I5: starts and ends per job against its state."""
    for job in run.jobs.values():
        if job.kind == "action":
            yield from check_job(run, job)
    for job_id, steps in run.steps.items():
        if job_id not in run.jobs and not run.was_purged(job_id):
            text = f"an action ran for the job {job_id}, which does not exist"
            yield Violation("ghost-start", text, (job_id, steps[0].call))


def check_job(run: Run, job: Job) -> Iterator[Violation]:
    starts, ends = run.steps_of(job.id, "start"), run.steps_of(job.id, "end")
    effects = run.effects_of.get(job.id, [])
    seen = f"the action {job.call} (job {job.id}) is {job.state}, with {len(starts)} starts and {len(ends)} ends"
    about = (job.id,)
    if len(starts) > 1:
        yield Violation("action-started-twice", seen, about)
    if len(ends) > len(starts):
        yield Violation("end-without-start", seen, about)
    if job.state == "success" and not starts:
        yield Violation("lost-start", seen, about)
    if job.state == "success" and not ends:
        yield Violation("success-without-end", seen, about)
    if job.state == "pending" and starts:
        yield Violation("started-yet-pending", seen, about)
    if job.state == "canceled" and starts and not was_running_when_canceled(run, job):
        yield Violation("canceled-yet-ran", f"{seen}, and was not running when it was canceled", about)
    if job.state == "failed" and not job.error:
        yield Violation("failed-silently", f"{seen}, and does not say why", about)
    for start in starts:
        if start.attempt != job.attempts:
            text = f"{seen}; it started as attempt {start.attempt}, while the row counts {job.attempts}"
            yield Violation("stale-attempt", text, about)
    if effects and not starts:
        yield Violation("effect-without-start", f"{seen}, and yet {len(effects)} effects", about)
    for call, number in Counter(effect.call for effect in effects).items():
        if number > 1:
            yield Violation("effect-twice", f"{seen}; its mutation {call} has {number} effects", about)


def was_running_when_canceled(run: Run, job: Job) -> bool:
    return any(move.old == "inProgress" and move.new == "canceled" for move in run.moves.get(job.id, ()))
