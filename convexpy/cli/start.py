"""``convexpy start`` and ``convexpy worker``: an app in production, until it is asked to stop."""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Final

import typer

from .arguments import HERE, AllowUnappliedOption, DatabaseOption, ProjectOption
from .check import contents
from .child_process import FIRST, ChildProcess, this_child_process
from .failure import Failure, WrongUsage

if TYPE_CHECKING:
    from ..app import Convex
    from ..project import Project

SAME_REQUEST_SECONDS: Final = 0.5
POLL_SECONDS: Final = 1.0
GARBAGE_THRESHOLDS: Final = (10_000, 20, 20)


def start(
    project: ProjectOption = HERE, database: DatabaseOption = None, allow_unapplied: AllowUnappliedOption = False
) -> None:
    """Run the app in production.

    Dispatcher and crons, until SIGINT or SIGTERM. Needs a database that is configured and migrated.
    """
    serve(project, database, allow_unapplied)


def worker(
    project: ProjectOption = HERE,
    database: DatabaseOption = None,
    processes: Annotated[
        int, typer.Option("--processes", metavar="N", min=1, help="Run so many worker processes, and restart them.")
    ] = 1,
    allow_unapplied: AllowUnappliedOption = False,
) -> None:
    """Run scheduled jobs, and nothing else.

    More workers beside `convexpy start`, on the same database.
    """
    if processes > 1:
        supervise(project, database, processes, allow_unapplied)
    else:
        serve(
            project, database, allow_unapplied, this_child_process()
        )  # the same as start while there is no HTTP to leave out


def serve(path: Path, database: str | None, allow_unapplied: bool, child: ChildProcess | None = None) -> None:
    """Run scheduled jobs until SIGINT or SIGTERM, then let running ones finish."""
    from ..project import load_project
    from .logs import log, log_to_stdout, print_run
    from .opening import open_app
    from .process_end import end_by

    # A signal while the database is being opened ends the process as later ones do: with exit code 0.
    with suppress(KeyboardInterrupt):
        is_stopping = stop_on_signals()
        if child:
            child.stop_with_parent(is_stopping)
        project = load_project(path, database=database)
        refuse_default_database(project)
        number, as_json = child.number if child else None, not sys.stdout.isatty()
        log_to_stdout(project, as_json=as_json, number=number)
        with closing(open_app(project)) as convex:
            if number in (None, FIRST):
                check_revisions(convex, project, allow_unapplied)
                for warning in convex.app.warnings:
                    log.warning(warning)
            convex.on_run(
                lambda run: print_run(run, project.root, as_json=as_json, number=number), lambda: sys.stdout.flush()
            )
            tune_garbage_collector()
            with suppress(KeyboardInterrupt):
                convex.start()
                log.info("running: %s", contents(convex.app))
                if child:
                    child.report_running()
                while not is_stopping():
                    time.sleep(POLL_SECONDS)
            log.info("stopping: running jobs may finish")
            deadline = time.monotonic() + project.settings.stop_grace.total_seconds()
        end_by(deadline)


def tune_garbage_collector() -> None:
    """Collect what handlers leave behind, rarely, and never what was loaded.

    To traverse all loaded objects takes tens of milliseconds, every few seconds. A handler makes hundreds of objects,
    nearly all of which reference counting frees.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)


def supervise(path: Path, database: str | None, processes: int, allow_unapplied: bool) -> None:
    """Run several worker processes until SIGINT or SIGTERM. A second signal kills them all."""
    from ..project import load_project
    from .logs import log_to_stdout
    from .supervisor import Supervisor, worker_command

    if os.name != "posix":
        raise WrongUsage(
            "--processes is not supported on Windows",
            "Leave --processes out, and start `convexpy worker` several times.",
        )
    project = load_project(path, database=database)
    refuse_default_database(project)
    log_to_stdout(project, as_json=not sys.stdout.isatty())
    options = ["--project", str(path), *(["--database", database] if database is not None else [])]
    if allow_unapplied:
        options.append("--allow-unapplied")
    supervisor = Supervisor(processes, worker_command(*options), project.settings.stop_grace.total_seconds())
    stop_on_signals(supervisor.request_stop, supervisor.kill)
    code = supervisor.run()
    if code:
        raise typer.Exit(code)


def refuse_default_database(project: Project) -> None:
    if not project.has_database:
        raise Failure(
            "no database is configured, and the development database is not for production",
            "Set CONVEXPY_DATABASE, or `database` in [tool.convexpy], or pass --database sqlite:////path/to/app.db",
        )


def check_revisions(convex: Convex, project: Project, allow_unapplied: bool) -> None:
    """Refuse a database without tables that the code expects: due jobs would fail for good. Warn if it is ahead."""
    from ..migrations.revision_gap import revision_gap
    from .logs import log

    with convex.database.read_internal() as connection:
        gap = revision_gap(connection, project.migrations)
    if gap.unapplied:
        what = f"revisions that have not been applied to the database: {', '.join(gap.unapplied)}"
        if not allow_unapplied:
            fix = "Run `convexpy db upgrade` first, or pass --allow-unapplied if the code can run without them."
            raise Failure(f"there are {what}", fix)
        log.warning("running in spite of %s", what)
    elif gap.unknown:
        log.warning(
            "the database is ahead of this code: its revision %s is not in %s",
            ", ".join(gap.unknown),
            project.migrations,
        )


def interrupt() -> None:
    raise KeyboardInterrupt


def stop_on_signals(
    stop: Callable[[], None] = interrupt, stop_at_once: Callable[[], None] = lambda: None
) -> Callable[[], bool]:
    """Stop on SIGINT or SIGTERM. Returns a function that tells whether a signal has come.

    The first signal calls ``stop``, by default a KeyboardInterrupt in the main thread; a later one ends the process at
    once. One that comes right after the first is the same request: `timeout`, `npm` and others pass on a signal that
    the terminal has already sent to the whole process group.
    """
    first: float | None = None

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal first
        if first is None:
            first = time.monotonic()
            stop()
        elif time.monotonic() - first > SAME_REQUEST_SECONDS:
            stop_at_once()
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    signal.signal(signal.SIGINT, handle)
    signal.signal(signal.SIGTERM, handle)
    return lambda: first is not None
