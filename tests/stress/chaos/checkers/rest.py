"""When all is quiet: every job is over, nothing waits, and each end is remembered once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from .records import End
from .run import Run, grouped
from .verdict import Violation

ENDS: Final = ("success", "failed", "canceled")


def check(run: Run) -> Iterator[Violation]:
    """I2, I12: nothing is unfinished, in any of the three tables."""
    ends: dict[str, list[End]] = grouped((end.job, end) for end in run.ends)
    for job in run.jobs.values():
        remembered = [end.state for end in ends.get(job.id, ())]
        if job.state not in ENDS:
            yield Violation("stuck", f"the {job.kind} {job.call} (job {job.id}) is still {job.state}", (job.id,))
        elif len(remembered) != 1:
            text = f"the end of the job {job.id}, {job.state}, is remembered {len(remembered)} times"
            yield Violation("end-twice" if remembered else "end-forgotten", text, (job.id,))
        elif remembered != [job.state]:
            text = f"the job {job.id} is {job.state}, and remembered as {remembered[0]}"
            yield Violation("end-disagrees", text, (job.id,))
    for job_id in ends:
        if job_id not in run.jobs:
            yield Violation("ghost-end", f"an end of the job {job_id}, which does not exist", (job_id,))
    for job_id in run.queue:
        yield Violation("left-in-queue", f"the job {job_id} is still in the queue", (job_id,))
