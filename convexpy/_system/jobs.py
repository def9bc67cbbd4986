"""``_system/jobs``: see, cancel and retry jobs, and everything else that is done with them."""

from __future__ import annotations

from collections.abc import Sequence

from ..database.scheduled_function import StateKind
from ..runtime.schedule import check_job_id
from .bulk import apply, bulk, bulk_progress, undo
from .context import SystemQueryCtx, system_query
from .job_changes import cancel, cancel_now, reschedule, retry, run_now, schedule
from .job_details import details
from .job_document import Job, job_to_json
from .job_lists import counts, figures, find, search, strip
from .job_trees import tree

__all__ = [
    "apply",
    "bulk",
    "bulk_progress",
    "cancel",
    "cancel_now",
    "counts",
    "details",
    "figures",
    "find",
    "get",
    "job_to_json",
    "list",
    "reschedule",
    "retry",
    "run_now",
    "schedule",
    "search",
    "strip",
    "tree",
    "undo",
]


@system_query
def list(
    ctx: SystemQueryCtx,
    state: StateKind | None = None,
    name: str | None = None,
    cron: str | None = None,
    limit: int = 100,
) -> Sequence[Job]:
    """Up to ``limit`` jobs that fit: pending ones soonest first, then running and finished ones, latest first.

    Raises:
        InvalidArguments: The limit is not between 1 and 10,000.
    """
    return ctx.system.scheduled_functions(state=state, name=name, cron=cron, limit=limit)


@system_query
def get(ctx: SystemQueryCtx, job_id: str) -> Job | None:
    """One job, or None: it never existed, or it was purged after its retention.

    Raises:
        InvalidSchedule: This is not a job id.
    """
    return ctx.system.get(check_job_id(job_id))
