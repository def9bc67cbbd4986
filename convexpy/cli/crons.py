"""``convexpy crons``: what runs again and again, when next, and how it went."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..clock import unix_milliseconds
from .opening import opened
from .options import HERE, DatabaseOption, JsonOption, ProjectOption
from .output import say, show_json, show_table
from .times import relative

if TYPE_CHECKING:
    from ..system import CronStatus

crons = typer.Typer(help="See crons and run one now.", no_args_is_help=True)


@crons.command("list")
def list_crons(project: ProjectOption = HERE, database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """List the crons, with their next and their last run."""
    with opened(project, database) as convex:
        found = convex.system.crons()
    if as_json:
        show_json([cron_document(cron) for cron in found])
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
    with opened(project, database) as convex:
        job_id = convex.system.run_cron(name)
    if as_json:
        show_json({"id": job_id})
    else:
        say(f"scheduled {name!r} now, as job {job_id}")


def cron_row(cron: CronStatus, now: datetime) -> tuple[str, ...]:
    next_time = relative(cron.next_time, now) if cron.next_time else "not yet known"
    last_time = relative(cron.last_time, now) if cron.last_time else "never"
    return cron.name, cron.schedule, cron.function, next_time, last_time, cron.last_state or "", cron.place or ""


def cron_document(cron: CronStatus) -> dict[str, Any]:
    return {
        "name": cron.name,
        "schedule": cron.schedule,
        "function": cron.function,
        "args": cron.args,
        "nextTime": unix_milliseconds(cron.next_time) if cron.next_time else None,
        "lastTime": unix_milliseconds(cron.last_time) if cron.last_time else None,
        "lastState": cron.last_state,
        "place": cron.place,
    }
