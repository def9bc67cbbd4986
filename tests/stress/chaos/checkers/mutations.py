"""Mutations: one effect with a success, none without, written by the attempt that the row counts as the last."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from .records import Job
from .run import Run
from .verdict import Violation

# What a scheduled mutation must survive: only the developer's own errors may fail it.
OF_THE_MACHINE: Final = re.compile(
    r"OperationalError|InterfaceError|SerializationFailure|DeadlockDetected|AdminShutdown|QueryCanceled"
    r"|WriteConflict|could not serialize|deadlock detected|database is locked|disk is full|database or disk"
    r"|server closed the connection|terminating connection|connection (refused|reset|failed|is closed)",
    re.IGNORECASE,
)


def check(run: Run) -> Iterator[Violation]:
    """I1, I4: effects counted per job against its state."""
    for job in run.jobs.values():
        if job.kind == "mutation":
            yield from check_job(run, job)
    for job_id, effects in run.effects_of.items():
        if job_id not in run.jobs and not run.was_purged(job_id):
            text = f"{len(effects)} effects of the job {job_id}, which does not exist"
            yield Violation("ghost-effect", text, (job_id, effects[0].call))


def check_job(run: Run, job: Job) -> Iterator[Violation]:
    effects = run.effects_of.get(job.id, [])
    found = f"the mutation {job.call} (job {job.id}) is {job.state} and has {len(effects)} effects"
    about = (job.id,)
    if len(effects) > max(1, job.effects):
        yield Violation("effect-twice", found, about)
    elif job.state == "success":
        if len(effects) < job.effects:
            yield Violation("lost-effect", found, about)
        for effect in effects:
            if effect.attempt is not None and effect.attempt != job.attempts:
                text = f"{found}, of attempt {effect.attempt}, while the row counts {job.attempts}"
                yield Violation("stale-attempt", text, about)
    elif effects and job.state == "canceled":
        yield Violation("canceled-yet-ran", found, about)
    elif effects:
        yield Violation("aborted-effect", found, about)
    if job.state == "failed" and is_internal(job.error or ""):
        yield Violation("failed-internally", f"the mutation {job.call} (job {job.id}) failed: {job.error}", about)
    if job.state == "failed" and not job.error:
        yield Violation("failed-silently", f"the mutation {job.call} (job {job.id}) failed and does not say why", about)
    if job.appends and (job.call in run.appended) != (job.state == "success"):
        text = (
            f"{found.partition(' and ')[0]}, and its appends {'did' if job.call in run.appended else 'did not'} commit"
        )
        yield Violation("lost-effect" if job.state == "success" else "aborted-effect", text, (*about, job.call or ""))
    if run.steps.get(job.id):
        yield Violation("ghost-start", f"the mutation {job.call} (job {job.id}) started as an action", about)


def is_internal(error: str) -> bool:
    """A handler past its time limit is the developer's error, whatever it was doing when it was stopped."""
    return not error.startswith("TIMEOUT") and OF_THE_MACHINE.search(error) is not None
