"""Crons: each slot of the timetable ran once or says that it was skipped, and no run began before the last was over."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from .cancels import end_of, is_skip
from .records import Job
from .run import Run, grouped
from .timetables import following, microseconds
from .verdict import Violation


def check(run: Run) -> Iterator[Violation]:
    """I7: the history of every cron, against the oracle if the timetables are known."""
    of_crons: dict[str, list[Job]] = grouped((job.cron, job) for job in run.jobs.values() if job.cron is not None)
    for cron, jobs in of_crons.items():
        slots: dict[int, list[Job]] = grouped((microseconds(job.due), job) for job in jobs)
        for slot, found in slots.items():
            yield from check_slot(cron, slot, found)
        yield from check_overlap(run, cron, [job for job in jobs if not is_skip(job)])
        if run.crons is not None:
            yield from check_timetable(run, cron, slots)


def check_slot(cron: str, slot: int, jobs: list[Job]) -> Iterator[Violation]:
    taken = [job for job in jobs if not says_what_was_missed(job)]
    if len(taken) != 1:
        text = f"the slot {slot / 1e6} of the cron {cron!r} was taken {len(taken)} times"
        yield Violation("slot-twice" if taken else "slot-unrecorded", text, tuple(job.id for job in jobs))


def says_what_was_missed(job: Job) -> bool:
    """A late slot's note about the slots after it; a skip of the slot itself is something else."""
    return is_skip(job) and " between " in (job.error or "")


def check_overlap(run: Run, cron: str, jobs: list[Job]) -> Iterator[Violation]:
    """The audit counts changes as they are made, so a run's insert must come after the end of the run before."""
    audited = [job for job in jobs if run.moves.get(job.id)]
    audited.sort(key=lambda job: run.moves[job.id][0].seq)
    for before, after in pairwise(audited):
        end = end_of(run, before)
        if end is None or end.seq > run.moves[after.id][0].seq:
            text = f"the cron {cron!r} began a run before the last was over"
            yield Violation("slot-overlap", text, (before.id, after.id))


def check_timetable(run: Run, cron: str, slots: dict[int, list[Job]]) -> Iterator[Violation]:
    declared = (run.crons or {}).get(cron)
    if declared is None:
        text = f"the cron {cron!r} ran, and is not declared"
        yield Violation("slot-unknown", text, tuple(job.id for jobs in slots.values() for job in jobs))
        return
    after = following(declared.schedule)
    if declared.schedule.startswith("cron "):
        first = min(slots)
        if after(first - 1) != first:
            yield Violation("slot-unknown", f"{first / 1e6} is no slot of {cron!r}", tuple(j.id for j in slots[first]))
    for slot, seen in pairwise(sorted(slots)):
        expected, missed = after(slot), 0
        while expected < seen:
            expected, missed = after(expected), missed + 1
        if expected != seen:
            text = f"{seen / 1e6} is no slot of {cron!r}, which is {declared.schedule!r}"
            yield Violation("slot-unknown", text, tuple(job.id for job in slots[seen]))
        elif missed and not any(says_what_was_missed(job) for job in slots[slot]):
            text = f"{missed} slots of {cron!r} after {slot / 1e6} were missed, and the history does not say so"
            yield Violation("slot-unrecorded", text, tuple(job.id for job in (*slots[slot], *slots[seen])))
