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

from .arguments import HERE, DatabaseOption, ProjectOption
from .check import contents
from .child_process import FIRST, Member, myself
from .failure import Failure, WrongUsage

if TYPE_CHECKING:
    from ..project import Project

SAME_REQUEST_SECONDS: Final = 0.5
LOOK_SECONDS: Final = 1.0
GARBAGE_THRESHOLDS: Final = (10_000, 20, 20)


def start(project: ProjectOption = HERE, database: DatabaseOption = None) -> None:
    """Run the app in production.

    Dispatcher and crons, until SIGINT or SIGTERM. Needs a database that is configured and migrated.
    """
    serve(project, database)


def worker(
    project: ProjectOption = HERE,
    database: DatabaseOption = None,
    processes: Annotated[
        int, typer.Option("--processes", metavar="N", min=1, help="Run so many worker processes, and watch over them.")
    ] = 1,
) -> None:
    """Run what is scheduled, and nothing else.

    More workers beside `convexpy start`, on the same database.
    """
    if processes > 1:
        lead(project, database, processes)
    else:
        serve(project, database, myself())  # the same as start for as long as there is no HTTP to leave out


def serve(path: Path, database: str | None, member: Member | None = None) -> None:
    """Run what is scheduled until SIGINT or SIGTERM, then let what runs finish."""
    from ..project import load_project
    from .logs import log, log_to_stdout, print_run
    from .opening import open_app

    # Told to stop while it is still opening the database, it ends just as clean as later: with 0.
    with suppress(KeyboardInterrupt):
        is_over = stop_on_signals()
        if member:
            member.stop_with_parent(is_over)
        project = load_project(path, database=database)
        refuse_default_database(project)
        number, as_json = member.number if member else None, not sys.stdout.isatty()
        log_to_stdout(project, as_json=as_json, number=number)
        with closing(open_app(project)) as convex:
            if number in (None, FIRST):
                for caution in convex.app.warnings:
                    log.warning(caution)
            convex.on_run(
                lambda run: print_run(run, project.root, as_json=as_json, number=number), lambda: sys.stdout.flush()
            )
            calm_the_garbage_collector()
            with suppress(KeyboardInterrupt):
                convex.start()
                log.info("running: %s", contents(convex.app))
                if member:
                    member.says_it_runs()
                while not is_over():
                    time.sleep(LOOK_SECONDS)
            log.info("stopping: what runs may finish")


def calm_the_garbage_collector() -> None:
    """What was loaded stays: looking at all of it again would take tens of milliseconds, every few seconds.

    And a handler makes hundreds of objects, nearly all of which go without it: it need not look after every few calls.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)


def lead(path: Path, database: str | None, processes: int) -> None:
    """Let several processes serve until SIGINT or SIGTERM. A second one ends them all at once."""
    from ..project import load_project
    from .logs import log_to_stdout
    from .supervisor import Crew, same_again

    if os.name != "posix":
        raise WrongUsage(
            "more than one process needs POSIX, which Windows is not",
            "Leave --processes out, and start `convexpy worker` several times.",
        )
    project = load_project(path, database=database)
    refuse_default_database(project)
    log_to_stdout(project, as_json=not sys.stdout.isatty())
    options = ["--project", str(path), *(["--database", database] if database is not None else [])]
    crew = Crew(processes, same_again(*options), project.settings.stop_grace.total_seconds())
    stop_on_signals(crew.ask_to_stop, crew.kill)
    code = crew.work()
    if code:
        raise typer.Exit(code)


def refuse_default_database(project: Project) -> None:
    if not project.has_database:
        raise Failure(
            "no database is configured, and the one for development is not for production",
            "Set CONVEXPY_DATABASE, or `database` in [tool.convexpy], or pass --database sqlite:////path/to/app.db",
        )


def interrupt() -> None:
    raise KeyboardInterrupt


def stop_on_signals(
    stop: Callable[[], None] = interrupt, stop_at_once: Callable[[], None] = lambda: None
) -> Callable[[], bool]:
    """Stop when asked to; returns what tells whether somebody asked.

    The first SIGINT or SIGTERM raises KeyboardInterrupt in the main thread; a later one ends the process at once.

    One that comes right after the first is the same request: `timeout`, `npm` and others pass on what the terminal
    has already sent to everybody.
    """
    first: float | None = None

    def asked(number: int, frame: FrameType | None) -> None:
        nonlocal first
        if first is None:
            first = time.monotonic()
            stop()
        elif time.monotonic() - first > SAME_REQUEST_SECONDS:
            stop_at_once()
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    signal.signal(signal.SIGINT, asked)
    signal.signal(signal.SIGTERM, asked)
    return lambda: first is not None
