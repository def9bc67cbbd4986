"""Cancels: exactly one wins, the cancel or the run, and what a client was answered is what happened."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

from .records import Intent, Job, Move
from .run import Run
from .verdict import Violation

CANCELED: Final = {"canceled", "cancelled", True}
TOO_LATE: Final = {"late", "too late", "too_late", "finished", "success", "failed", False}
ENDS: Final = ("success", "failed", "canceled")


def check(run: Run, tolerance: float) -> Iterator[Violation]:
    """I6: each answer against the job's end and its time; and no cancel that was not asked for."""
    wishes: dict[str, list[Intent]] = defaultdict(list)
    for intent in run.intents.values():
        if intent.op == "cancel" and intent.target is not None:
            wishes[intent.target].append(intent)
    for job in run.jobs.values():
        asked = wishes.get(job.call or "", [])
        if job.state == "canceled" and not may_be_canceled(run, job, asked):
            text = f"the job {job.id} of {job.call} is canceled, and no call asked for it"
            yield Violation("canceled-unasked", text, (job.id, *(wish.call for wish in asked)))
        if job.cron is None:
            for wish in asked:
                yield from check_answer(run, job, wish, tolerance, [other for other in asked if other is not wish])
            first = [wish.call for wish in asked if wish.outcome == "ok" and meaning(wish.answer) == "canceled"]
            if len(first) > 1:
                text = f"{len(first)} cancels were answered that each had canceled the job {job.id} of {job.call}"
                yield Violation("canceled-twice", text, (job.id, *first))


def may_be_canceled(run: Run, job: Job, asked: list[Intent]) -> bool:
    """By a client that did not certainly fail, as a cron's skipped slot, or as the child of a canceled action."""
    parent = run.jobs.get(job.parent or "")
    of_canceled = parent is not None and parent.kind == "action" and parent.state == "canceled"
    return of_canceled or is_skip(job) or any(wish.outcome != "fail" for wish in asked)


def is_skip(job: Job) -> bool:
    return job.cron is not None and job.state == "canceled" and (job.error or "").startswith("skipped")


def check_answer(run: Run, job: Job, wish: Intent, tolerance: float, others: list[Intent]) -> Iterator[Violation]:
    """A point between the question and its answer must agree with the answer."""
    meant = meaning(wish.answer) if wish.outcome == "ok" else None
    if meant is None or wish.t1 is None:
        return
    answered = f"cancel {wish.call} was answered {wish.answer!r}, and the job {job.id} of {job.call} is {job.state}"
    about = (job.id, wish.call)
    ended = end_of(run, job)
    ended_after = ended is not None and ended.at > wish.t1 + tolerance
    if meant == "canceled":
        if job.state != "canceled":
            yield Violation("canceled-yet-ran", answered, about)
        elif ended_after:
            yield Violation("cancel-out-of-time", f"{answered}, but only after that", about)
        return
    inserted = run.inserted_at(job.id)
    if inserted is None or inserted > wish.t0 - tolerance:
        return  # it may not have existed yet: there was nothing to cancel
    if ended is None or ended_after:
        yield Violation("too-late-yet-pending", f"{answered}, but was not over then", about)
    elif job.state == "canceled" and not may_be_canceled(run, job, others):
        yield Violation("too-late-yet-canceled", f"{answered}, by no other cancel", about)


def meaning(answer: Any) -> str | None:
    """``canceled``, ``late``, or None for an answer that says neither."""
    if isinstance(answer, dict):
        answer = answer.get("canceled", answer.get("state"))
    if isinstance(answer, str | bool):
        return "canceled" if answer in CANCELED else "late" if answer in TOO_LATE else None
    return None


def end_of(run: Run, job: Job) -> Move | None:
    return next((move for move in run.moves.get(job.id, ()) if move.new in ENDS), None)
