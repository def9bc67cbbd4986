"""``_system/jobs:details``: all that is known of one job."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import cast

from ..database.job_queries import find_job
from ..database.job_rows import names_of
from ..database.job_tree import find_row, holder_of, retries_of
from ..database.scheduled_function import StateKind
from ..runtime.failure_origin import origin_of
from ..runtime.schedule import check_job_id
from .context import SystemQueryCtx, system_query
from .document import Document
from .job_lists import LISTED_EVERY, ListedJob
from .traceback import RaisedError, parse_trace


class JobDetails(Document):
    """A job, with its whole arguments and errors."""

    job: ListedJob
    args: str
    """JSON: objects in the encoding of clients have no key that begins with ``$``."""
    error: str | None
    last_error: str | None
    exception: str | None
    """The class of its error; of a ``ConvexError`` its code."""
    message: str | None
    fingerprint: str | None
    """The group of its error, in ``_system/errors``."""
    trace: Sequence[RaisedError]
    """The traceback of its error and of its causes. Empty: there is none."""
    worker: str | None
    """The process that holds it: its machine and its process id."""
    retried_as: str | None
    """The last job that repeats it by hand."""
    retried_state: StateKind | None


@system_query(refresh=LISTED_EVERY)
def details(ctx: SystemQueryCtx, job_id: str) -> JobDetails | None:
    """One job, or None: it never existed, or it was purged after its retention.

    Raises:
        InvalidSchedule: This is not a job id.
    """
    checked = check_job_id(job_id)
    row, job = find_row(ctx.connection, checked), find_job(ctx.connection, checked)
    if row is None or job is None:
        return None
    parents = names_of(ctx.connection, [row.parent] if row.parent else [])
    retries = retries_of(ctx.connection, checked)
    last = retries[-1] if retries else None
    failed = origin_of(job.name, job.state_error) if job.state_kind == "failed" and job.state_error else None
    return JobDetails(
        job=ListedJob.of(row, parents),
        args=json.dumps(job.args, ensure_ascii=False),
        error=job.state_error,
        last_error=job.last_error,
        exception=failed[0].exception if failed else None,
        message=failed[1] if failed else None,
        fingerprint=failed[0].fingerprint if failed else None,
        trace=parse_trace(job.state_trace) if job.state_trace else (),
        worker=holder_of(ctx.connection, checked),
        retried_as=last.id if last else None,
        retried_state=cast(StateKind, last.state) if last else None,
    )
