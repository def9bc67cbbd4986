"""``convexpy crons``: see crons, and run one now."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from .arguments import HERE, DatabaseOption, JsonOption, ProjectOption
from .opening import opened
from .output import relative, say, show_json, show_table

if TYPE_CHECKING:
    from .._system.crons import CronStatus

crons = typer.Typer(help="See crons and run one now.", no_args_is_help=True)


@crons.command("list")
def list_crons(project: ProjectOption = HERE, database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """List the crons, with their next and their last run."""
    from .._system import crons as system

    with opened(project, database) as convex:
        found = convex.run(system.list)
    if as_json:
        show_json([cron.to_json() for cron in found])
        return
    now = datetime.now(UTC)
    columns = ("CRON", "SCHEDULE", "FUNCTION", "NEXT", "LAST", "RESULT", "PLACE")
    show_table(columns, [cron_row(cron, now) for cron in found], "There are no crons.")


@crons.command()
def run(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The cron's name.")],
    project: ProjectOption = HERE,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a cron now, besides its schedule: `convexpy dev`, `start` or `worker` picks the job up."""
    from .._system import crons as system

    with opened(project, database) as convex:
        job_id = convex.run(system.run, name=name)
    if as_json:
        show_json({"id": job_id})
    else:
        say(f"scheduled {name!r} now, as job {job_id}")


def cron_row(cron: CronStatus, now: datetime) -> tuple[str, ...]:
    next_time = relative(cron.next_time, now)
    last_time = relative(cron.last_time, now) if cron.last_time else "never"
    return cron.name, cron.schedule, cron.function, next_time, last_time, cron.last_state or "", cron.place or ""
