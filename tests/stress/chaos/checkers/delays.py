"""Time: nothing before it is due, and how long after it, faults set aside."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from math import ceil
from typing import Final, NamedTuple

from .records import Fault, Job
from .run import Run
from .verdict import Violation

PERCENTILES: Final = {"p50": 0.5, "p99": 0.99, "max": 1.0}


class Start(NamedTuple):
    """When a job first did something, when it was due, and when it was both due and there."""

    job: Job
    due: float
    ready: float
    at: float


def starts(run: Run) -> Iterator[Start]:
    """Every job that did something: a mutation by its effect, an action by its first line."""
    for job in run.jobs.values():
        done = run.steps_of(job.id, "start") if job.kind == "action" else run.effects_of.get(job.id, ())
        if done:
            due = due_time(run, job)
            inserted = run.inserted_at(job.id)
            yield Start(job, due, due if inserted is None else max(due, inserted), min(each.at for each in done))


def due_time(run: Run, job: Job) -> float:
    """What the row says, but never less than what the client asked for."""
    intent = run.intents.get(job.call or "")
    if intent is None or intent.due is None or job.parent is not None:
        return job.due
    return max(job.due, intent.due)


def check_early(run: Run, tolerance: float, grace: float, excuses: str | None) -> Iterator[Violation]:
    """Nothing runs before its time. Where workers look at their own clocks, a fault of these kinds excuses it."""
    wrong_clocks = [fault for fault in run.faults if excuses is not None and excuses in fault.kind]
    for job, due, _, at in starts(run):
        if at < due - tolerance and not any(fault.t0 <= at <= fault.t1 + grace for fault in wrong_clocks):
            text = f"the {job.kind} {job.call} (job {job.id}) started {due - at:.3f} s before it was due"
            yield Violation("early", text, (job.id,))


def check_late(run: Run, grace: float, longest: float | None) -> Iterator[Violation]:
    """I14: no due job waits longer than this outside of faults and their grace."""
    past = FaultEnds(run.faults, grace)
    for start in starts(run) if longest is not None else ():
        waited = beyond_faults(start, past)
        if longest is not None and waited > longest:
            job = start.job
            text = f"the {job.kind} {job.call} (job {job.id}) waited {waited:.3f} s with no fault about"
            yield Violation("late", text, (job.id,))


def figures(run: Run, grace: float) -> dict[str, float]:
    """Percentiles of the delays in seconds: since a job was due and there, and beyond the last fault and its grace."""
    past = FaultEnds(run.faults, grace)
    begun = list(starts(run))
    since_due = sorted(max(0.0, start.at - start.ready) for start in begun)
    beyond = sorted(beyond_faults(start, past) for start in begun)
    named = {f"delay {name}": percentile(since_due, part) for name, part in PERCENTILES.items()}
    return named | {f"delay beyond faults {name}": percentile(beyond, part) for name, part in PERCENTILES.items()}


class FaultEnds:
    """When the faults that had begun by some moment were over, the last of them, and the grace after it."""

    def __init__(self, faults: list[Fault], grace: float) -> None:
        ordered = sorted(faults, key=lambda fault: fault.t0)
        self._begins = [fault.t0 for fault in ordered]
        self._over: list[float] = []
        latest = float("-inf")
        for fault in ordered:
            latest = max(latest, fault.t1 + grace)
            self._over.append(latest)

    def by(self, moment: float) -> float:
        index = bisect_right(self._begins, moment)
        return self._over[index - 1] if index else float("-inf")


def beyond_faults(start: Start, past: FaultEnds) -> float:
    return max(0.0, start.at - max(start.ready, past.by(start.at)))


def percentile(ordered: list[float], part: float) -> float:
    """The smallest value that so large a part of all does not exceed; 0 of nothing."""
    return ordered[ceil(part * len(ordered)) - 1] if ordered else 0.0
