"""``convexpy db copy``: from SQLite to PostgreSQL or back, in one command."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .arguments import HERE, ProjectOption
from .banner import shown_database
from .check import count
from .failure import Failure
from .opening import database_url, refuse_missing_file
from .output import relative, say

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection

    from ..project import Project
    from ..transfer.copy import CopyResult


def copy(
    target: Annotated[str, typer.Argument(metavar="TARGET_URL", help="An empty database.", show_default=False)],
    source: Annotated[
        str | None, typer.Option("--from", metavar="URL", help="Copy this one instead of the configured one.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Copy even if workers are running on the source.")] = False,
    project: ProjectOption = HERE,
) -> None:
    """Copy a database into an empty one, of the same or the other kind.

    Your tables, and the framework's with all jobs and crons. All or nothing; the source is only read.
    """
    from sqlalchemy import MetaData

    from ..project import load_project

    found = load_project(project, database=source)
    to = load_project(project, database=target)
    refuse_missing_file(found)
    refuse_same(database_url(found), database_url(to))
    metadata = found.find_metadata() or MetaData()
    with made_target(to) as url:
        from ..transfer.connections import one_transaction, snapshot
        from ..transfer.copy import copy_database

        say(f"copying {shown_database(database_url(found), found.root)} to {shown_database(url, found.root)}")
        with snapshot(database_url(found), found.settings) as read, one_transaction(url, to.settings) as write:
            if not force:
                refuse_live_workers(read, found)
            with shown_progress() as progress:
                copied = copy_database(read, write, metadata, found.migrations, progress)
    report(copied, database_url(to))


def refuse_same(source: URL, target: URL) -> None:
    if source == target:
        raise Failure("source and target are the same database", "Name another target.")


def refuse_live_workers(source: Connection, project: Project) -> None:
    """Jobs that a worker runs after the snapshot are pending in the copy, and would run there again."""
    from ..database.workers import find_live
    from ..migrations.framework import check_revision
    from ..transfer.connections import now_of

    check_revision(source)
    now = now_of(source)
    live = find_live(source, now, project.settings.heartbeat_timeout)
    if not live:
        return
    places = [f"{row.host.split()[0]}, process {row.pid}, {relative(row.heartbeat_time, now)}" for row in live]
    wait = project.settings.heartbeat_timeout.total_seconds()
    raise Failure(
        f"{count(len(live), 'worker')} may be running on the source:\n  " + "\n  ".join(places),
        "Stop them with SIGTERM (`systemctl stop`, Ctrl-C), then try again. One killed on another machine counts "
        f"as alive for {wait:g} s.\nWith --force the copy is made as of now: what they do from now on will be missing.",
    )


@contextmanager
def made_target(project: Project) -> Iterator[URL]:
    """The target, connected before anything is read. A file that was created for a copy that fails is removed."""
    from ..database.database import connect

    configured = database_url(project)
    is_file = configured.get_backend_name() == "sqlite" and configured.database
    file = Path(str(configured.database)) if is_file else None
    existed = file is None or file.exists()
    try:
        database = connect(project.database, project.settings)
        database.close()
        yield database.url
    except BaseException:
        if file is not None and not existed:
            for suffix in ("", "-wal", "-shm", ".lock"):
                file.with_name(f"{file.name}{suffix}").unlink(missing_ok=True)
        raise


@contextmanager
def shown_progress() -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar for each table on a terminal; nothing in a pipe."""
    if not sys.stderr.isatty():
        yield lambda table, rows, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    tasks: dict[str, TaskID] = {}
    shape = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*shape, console=Console(stderr=True), transient=True) as progress:

        def show(table: str, rows: int, total: int) -> None:
            if table not in tasks:
                tasks[table] = progress.add_task(table, total=total)
            progress.update(tasks[table], completed=rows)

        yield show


def report(copied: CopyResult, target: URL) -> None:
    """Print what was copied, and how to use the copy."""
    rows = sum(copied.rows.values())
    say(f"copied and compared {count(rows, 'row')} of {count(len(copied.rows), 'table')}")
    for table, number in copied.rows.items():
        if number:
            say(f"  {table}  {number}")
    say(f"{count(copied.pending, 'job')} pending")
    if copied.failed:
        what = "action was" if copied.failed == 1 else "actions were"
        say(
            f"{copied.failed} {what} in progress, and failed in the copy: `convexpy jobs list --state failed`",
            style="yellow",
        )
    if copied.others:
        say(f"not copied, as no model declares them: {', '.join(copied.others)}", style="yellow")
    from ..database.url import shown_url

    say("the source is unchanged. To use the copy, set this for every process of the app:")
    say(f"CONVEXPY_DATABASE={shown_url(target)}")
