"""``convexpy jobs``: see, cancel and retry jobs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .arguments import HERE, DatabaseOption, JsonOption, ProjectOption
from .failure import Failure
from .opening import opened
from .output import escaped, local, relative, say, show_json, show_table

if TYPE_CHECKING:
    from ..database.scheduled_function import ScheduledFunction

jobs = typer.Typer(help="See, cancel and retry scheduled jobs.", no_args_is_help=True)

JobArgument = Annotated[str, typer.Argument(metavar="ID", help="The job's id.")]
State = Literal["pending", "inProgress", "success", "failed", "canceled"]


@jobs.command("list")
def list_jobs(
    state: Annotated[State | None, typer.Option("--state", help="Only jobs in this state.")] = None,
    name: Annotated[str | None, typer.Option("--name", metavar="FUNCTION", help="Only jobs of this function.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most this many.")] = 100,
    project: ProjectOption = HERE,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """List jobs: pending ones first, soonest first; then the others, latest first."""
    from .._system import jobs as system

    with opened(project, database) as convex:
        found = convex.run(system.list, state=state, name=name, limit=limit)
    if as_json:
        show_json([job_document(job) for job in found])
        return
    now = datetime.now(UTC)
    show_table(("ID", "FUNCTION", "STATE", "WHEN", "CRON", "ERROR"), [job_row(job, now) for job in found], "No jobs.")
    if len(found) == limit:
        say(f"These are the first {limit}; --limit shows more.")


@jobs.command()
def show(
    job_id: JobArgument, project: ProjectOption = HERE, database: DatabaseOption = None, as_json: JsonOption = False
) -> None:
    """Show everything about one job, its arguments included."""
    from .._system import jobs as system

    with opened(project, database) as convex:
        job = existing(convex.run(system.get, job_id=job_id), job_id)
    if as_json:
        show_json(job_document(job))
        return
    for label, value in job_facts(job):
        say(f"{label:10} {escaped(value)}")


@jobs.command()
def cancel(
    job_id: JobArgument, project: ProjectOption = HERE, database: DatabaseOption = None, as_json: JsonOption = False
) -> None:
    """Cancel a job. A pending one never runs; a running action runs to its end, and its result is dropped."""
    from .._system import jobs as system

    with opened(project, database) as convex:
        before = existing(convex.run(system.get, job_id=job_id), job_id)
        job = existing(convex.run(system.cancel, job_id=job_id), job_id)
    if as_json:
        show_json(job_document(job))
    elif before.state.kind in ("pending", "inProgress") and job.state.kind == "canceled":
        say(f"canceled {job.name}")
    else:
        say(f"nothing to cancel: {job.name} is finished ({job.state.kind})")


@jobs.command()
def retry(
    job_id: JobArgument, project: ProjectOption = HERE, database: DatabaseOption = None, as_json: JsonOption = False
) -> None:
    """Schedule a finished job's function again, now, with the same arguments, as a new job."""
    from .._system import jobs as system

    with opened(project, database) as convex:
        job = existing(convex.run(system.get, job_id=job_id), job_id)
        new_id = convex.run(system.retry, job_id=job_id)
    if as_json:
        show_json({"id": new_id})
    else:
        say(f"scheduled {job.name} again, as job {new_id}")


def existing(job: ScheduledFunction | None, job_id: str) -> ScheduledFunction:
    if job is None:
        raise Failure(
            f"there is no job {job_id!r}: it never existed, or it was purged after its retention",
            "`convexpy jobs list` lists all jobs.",
        )
    return job


def job_row(job: ScheduledFunction, now: datetime) -> tuple[str, ...]:
    when = job.completed_time or job.started_time or job.next_try or job.scheduled_time
    error = (job.state.error or job.last_error or "").partition("\n")[0]
    return job.id, job.name, job.state.kind, relative(when, now), job.cron or "", error


def job_document(job: ScheduledFunction) -> dict[str, Any]:
    from .._system.jobs import job_to_json

    return job_to_json(job)


def job_facts(job: ScheduledFunction) -> list[tuple[str, str]]:
    """The fields of a job, as label and text."""
    from .output import to_json

    times = (
        ("scheduled", job.scheduled_time),
        ("started", job.started_time),
        ("next try", job.next_try),
        ("completed", job.completed_time),
    )
    texts = (
        ("id", job.id),
        ("function", f"{job.name} ({job.kind})"),
        ("state", job.state.kind),
        ("error", job.state.error),
        ("traceback", (job.state.trace or "").rstrip()),
        ("last error", job.last_error if job.state.error is None else None),
        *((label, local(when) if when else None) for label, when in times),
        ("attempts", str(job.attempts)),
        ("cron", job.cron),
        ("parent", job.parent),
        ("arguments", to_json(job.args)),
    )
    return [(label, text.replace("\n", "\n" + " " * 11)) for label, text in texts if text]
