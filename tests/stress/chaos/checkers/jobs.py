"""The job checker: what the files of a run say about every job, each held against the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from . import actions, audit, calls, cancels, crons, delays, families, money, mutations, rest
from .run import Run
from .verdict import Verdict, Violation


@dataclass(frozen=True)
class Rules:
    """What depends on the run. Durations are seconds."""

    tolerance: float = 0.002
    """By how much two times may differ because one of them was rounded."""
    grace: float = 5.0
    """How long after a fault a delay is still put down to it."""
    longest_delay: float | None = None
    """The longest delay outside of faults; None only measures."""
    excuses: str | None = None
    """Faults with this word in their kind move the clocks that workers go by, and excuse an early start meanwhile."""


def judge(run: Run, rules: Rules | None = None) -> Verdict:
    """Everything that the files show of the invariants."""
    rules = rules or Rules()
    verdict = Verdict(violations=list(violations(run, rules)))
    if not run.jobs:
        verdict.violations.append(Violation("nothing-ran", "there is not one job, so this run shows nothing"))
    verdict.looked_at.update(
        {
            "jobs": len(run.jobs),
            "calls": len(run.intents),
            "effects": len(run.effects),
            "action starts": sum(step.what == "start" for steps in run.steps.values() for step in steps),
            "moves": sum(len(moves) for moves in run.moves.values()),
            "faults": len(run.faults),
            "cron runs": sum(job.cron is not None for job in run.jobs.values()),
        }
    )
    verdict.looked_at.update(Counter(f"{job.state} {job.kind}s" for job in run.jobs.values()))
    verdict.figures = delays.figures(run, rules.grace)
    verdict.notes = list(notes(run))
    return verdict


def violations(run: Run, rules: Rules) -> Iterator[Violation]:
    return chain(
        calls.check(run),
        mutations.check(run),
        actions.check(run),
        families.check(run),
        cancels.check(run, rules.tolerance),
        audit.check(run),
        rest.check(run),
        crons.check(run),
        money.check(run),
        delays.check_early(run, rules.tolerance, rules.grace, rules.excuses),
        delays.check_late(run, rules.grace, rules.longest_delay),
    )


def notes(run: Run) -> Iterator[str]:
    """What these files cannot show."""
    if run.crons is None:
        yield "cron slots were only counted, not held against their timetables: there is no crons.jsonl"
    if run.marks is None:
        yield "calls that only schedule leave no mark to be held against their jobs: there is no markers.jsonl"
    unsaid = sum(families.wanted_children(run, job) is None for job in run.jobs.values())
    if unsaid:
        yield f"{unsaid} jobs do not say how many children they must have, so missing ones would not be noticed"
    uncounted = sum(job.kind == "mutation" and job.call is None for job in run.jobs.values())
    if uncounted:
        yield f"{uncounted} mutations have no call in their arguments, so their effects are not counted"
    if run.unreadable:
        yield f"{run.unreadable} lines were written only in part and were left out"
