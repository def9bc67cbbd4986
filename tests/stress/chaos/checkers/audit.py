"""The life of each job, move by move: along allowed edges, over when it is over, attempts never fewer."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from .records import Job, Move
from .run import Run
from .verdict import Violation

ENDS: Final = ("success", "failed", "canceled")
INSERTED, DELETED = None, None
EDGES: Final = {
    (INSERTED, "pending"),
    (INSERTED, "canceled"),
    ("pending", "pending"),
    ("pending", "inProgress"),
    *(("pending", end) for end in ENDS),
    *(("inProgress", end) for end in ENDS),
    *((end, DELETED) for end in ENDS),
}


def check(run: Run) -> Iterator[Violation]:
    """I11: the moves of every job, folded in the order in which they were made."""
    for job_id, moves in run.moves.items():
        yield from check_moves(job_id, moves)
        yield from check_row(job_id, moves[-1], run.jobs.get(job_id))
    for job in run.jobs.values():
        if job.id not in run.moves:
            yield Violation("unaudited", f"the job {job.id} has a row, and no trace of how it came to be", (job.id,))
        elif job.kind == "mutation" and any(move.new == "inProgress" for move in run.moves[job.id]):
            text = f"the mutation {job.call} (job {job.id}) was seen in progress"
            yield Violation("bad-edge", text, (job.id,))


def check_moves(job_id: str, moves: list[Move]) -> Iterator[Violation]:
    about = (job_id,)
    if moves[0].old is not None:
        yield Violation("bad-edge", f"the first that is known of the job {job_id} is {text_of(moves[0])}", about)
    for move in moves:
        if move.old in ENDS and move.new is not None:
            yield Violation("end-left", f"the job {job_id} was over and changed again: {text_of(move)}", about)
        elif (move.old, move.new) not in EDGES:
            yield Violation("bad-edge", f"the job {job_id} made a move that does not exist: {text_of(move)}", about)
    for before, after in pairwise(moves):
        if after.old != before.new:
            text = f"the job {job_id} was left by {text_of(before)} and is found by {text_of(after)}"
            yield Violation("broken-chain", text, about)
        grown = (after.attempts or 0) - (before.attempts or 0)
        if after.new is not None and grown < 0:
            yield Violation("attempts-down", f"the job {job_id}: {text_of(before)}, then {text_of(after)}", about)
        elif after.new is not None and grown > 1:
            yield Violation("attempts-jumped", f"the job {job_id}: {text_of(before)}, then {text_of(after)}", about)
    ended = sum(move.new in ENDS and move.old not in ENDS for move in moves)
    if ended > 1:
        yield Violation("ended-twice", f"the job {job_id} came to an end {ended} times", about)


def check_row(job_id: str, last: Move, job: Job | None) -> Iterator[Violation]:
    """The last move and the row that is left say the same."""
    if job is None and last.new is not None:
        yield Violation("lost-job", f"the job {job_id} was last seen {last.new}, and its row is gone", (job_id,))
    elif job is not None and (last.new, last.attempts) != (job.state, job.attempts):
        text = f"the job {job_id} is {job.state} with {job.attempts} attempts; its last move was {text_of(last)}"
        yield Violation("unaudited", text, (job_id,))


def text_of(move: Move) -> str:
    return f"{move.old or 'nothing'} → {move.new or 'nothing'} with {move.attempts} attempts"
