"""``convexpy dev``: the app in development, reloaded on every save."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from .arguments import DatabaseOption
from .output import say
from .start import stop_on_signals


def dev(
    path: Annotated[Path, typer.Argument(metavar="[PATH]", help="The project's folder.", show_default="here")] = Path(),
    database: DatabaseOption = None,
) -> None:
    """Run the app while you write it.

    The database is made and kept in step with the models. Every save is live at once, and every run is one log line.
    """
    started = time.perf_counter()
    from ..project import load_project
    from .dev_server import DevServer
    from .logs import log_to_stdout
    from .process_end import end_by

    is_stopping = stop_on_signals()
    project = load_project(path, database=database, debug=True)
    log_to_stdout(project, as_json=False)
    server = DevServer(project, lambda: load_project(path, database=database, debug=True))
    try:
        with suppress(KeyboardInterrupt):
            server.begin(started)
            for saved in server.watcher.saves(is_stopping):
                server.changed(saved)
        say("stopping: running jobs may finish (Ctrl-C again to stop at once)")
        deadline = time.monotonic() + server.project.settings.stop_grace.total_seconds()
    finally:
        server.close()
    say("stopped")
    end_by(deadline)
