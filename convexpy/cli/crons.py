"""``convexpy crons``: see crons, run one now, pause and resume one."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final

import typer

from .arguments import HERE, DatabaseOption, JsonOption, ProjectOption
from .failure import WrongUsage
from .opening import opened
from .output import local, relative, say, show_json, show_table

if TYPE_CHECKING:
    from .._system.crons import CronStatus

crons = typer.Typer(help="See crons, run one now, pause and resume one.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The cron's name.")]
UNITS: Final = {"min": "minutes", "h": "hours", "d": "days"}


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
    name: NameArgument,
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


@crons.command()
def pause(
    name: NameArgument,
    until: Annotated[
        str, typer.Option("--until", metavar="TIME", help="When it runs again: 90min, 2h, 3d, or 2026-12-03T08:00.")
    ],
    note: Annotated[str, typer.Option("--note", help="Why, for whoever finds it paused.")] = "",
    project: ProjectOption = HERE,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Leave out a cron's slots until a time; then it goes on by itself. It can be run by hand meanwhile."""
    from .._system import crons as system

    end = parse_time(until, datetime.now(UTC))
    with opened(project, database) as convex:
        made = convex.run(system.pause, name=name, until=end, note=note)
    if as_json:
        show_json(made.to_json())
    else:
        say(f"paused {name!r} until {local(made.until)}")


@crons.command()
def resume(
    name: NameArgument, project: ProjectOption = HERE, database: DatabaseOption = None, as_json: JsonOption = False
) -> None:
    """End a cron's pause now. Slots that it left out stay left out."""
    from .._system import crons as system

    with opened(project, database) as convex:
        convex.run(system.resume, name=name)
    if as_json:
        show_json({"name": name})
    else:
        say(f"resumed {name!r}")


def parse_time(text: str, now: datetime) -> datetime:
    """``2h`` from now on, or a time; one without an offset is of this machine's time zone.

    Raises:
        WrongUsage: It is neither.
    """
    span = re.fullmatch(r"(\d{1,6})\s*(min|h|d)", text.strip())
    if span:
        return now + timedelta(**{UNITS[span[2]]: int(span[1])})
    try:
        return datetime.fromisoformat(text.strip()).astimezone(UTC)
    except ValueError:
        what = f"--until: {text!r} is neither a duration nor a time"
        raise WrongUsage(what, "Such as 90min, 2h, 3d, or 2026-12-03T08:00.") from None


def cron_row(cron: CronStatus, now: datetime) -> tuple[str, ...]:
    next_time = relative(cron.next_time, now)
    if cron.pause is not None:
        next_time = f"paused until {local(cron.pause.until)}"
    last_time = relative(cron.last_time, now) if cron.last_time else "never"
    return cron.name, cron.schedule, cron.function, next_time, last_time, cron.last_state or "", cron.place or ""
