"""``convexpy start`` and ``convexpy worker``: an app in production, until it is asked to stop."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final

from .check import contents
from .failure import Failure
from .options import HERE, DatabaseOption, ProjectOption

if TYPE_CHECKING:
    from ..project import Project

SAME_REQUEST_SECONDS: Final = 0.5
LOOK_SECONDS: Final = 1.0


def start(project: ProjectOption = HERE, database: DatabaseOption = None) -> None:
    """Run the app in production.

    Dispatcher and crons, until SIGINT or SIGTERM. Needs a database that is configured and migrated.
    """
    serve(project, database)


def worker(project: ProjectOption = HERE, database: DatabaseOption = None) -> None:
    """Run what is scheduled, and nothing else.

    More workers beside `convexpy start`, on the same database.
    """
    serve(project, database)  # the same as start for as long as there is no HTTP to leave out


def serve(path: Path, database: str | None) -> None:
    """Run what is scheduled until SIGINT or SIGTERM, then let what runs finish."""
    from ..project import load_project
    from .logs import log, log_to_stdout, print_run
    from .opening import open_app

    project = load_project(path, database=database)
    refuse_default_database(project)
    is_over = stop_on_signals()
    log_to_stdout(project, as_json=not sys.stdout.isatty())
    # Told to stop while it is still opening the database, it ends just as clean as later: with 0.
    with suppress(KeyboardInterrupt), closing(open_app(project)) as convex:
        for caution in convex.app.warnings:
            log.warning(caution)
        convex.on_run(lambda run: print_run(run, project.root, as_json=not sys.stdout.isatty()))
        with suppress(KeyboardInterrupt):
            convex.start()
            log.info("running: %s", contents(convex.app))
            while not is_over():
                time.sleep(LOOK_SECONDS)
        log.info("stopping: what runs may finish")


def refuse_default_database(project: Project) -> None:
    if not project.has_database:
        raise Failure(
            "no database is configured, and the one for development is not for production",
            "Set CONVEXPY_DATABASE, or `database` in [tool.convexpy], or pass --database sqlite:////path/to/app.db",
        )


def stop_on_signals() -> Callable[[], bool]:
    """Stop when asked to; returns what tells whether somebody asked.

    The first SIGINT or SIGTERM raises KeyboardInterrupt in the main thread; a later one ends the process at once.

    One that comes right after the first is the same request: `timeout`, `npm` and others pass on what the terminal
    has already sent to everybody.
    """
    first: float | None = None

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal first
        if first is None:
            first = time.monotonic()
            raise KeyboardInterrupt
        if time.monotonic() - first > SAME_REQUEST_SECONDS:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    return lambda: first is not None
