"""``convexpy dev``: the app in development, reloaded on every save."""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from .arguments import DatabaseOption, HostOption, PortOption
from .output import say
from .signals import stop_on_signals


def dev(
    path: Annotated[Path, typer.Argument(metavar="[PATH]", help="The project's folder.", show_default="here")] = Path(),
    database: DatabaseOption = None,
    host: HostOption = None,
    port: PortOption = None,
) -> None:
    """Run the app while you write it.

    The database is made and kept in step with the models, and the server answers at the address that is printed. Every
    save is live at once, and every run is one log line.
    """
    started = time.perf_counter()
    from ..project import load_project
    from .dev_server import DevServer
    from .listener import bound
    from .logs import log_to_stdout
    from .process_end import end_by

    is_stopping = stop_on_signals()
    load = partial(load_project, path, database=database, host=host, port=port, debug=True)
    project = load()
    log_to_stdout(project, as_json=False)
    server = DevServer(project, load, bound(project.settings))
    try:
        with suppress(KeyboardInterrupt):
            server.begin(started)
            for saved in server.watcher.saves(is_stopping):
                server.changed(saved)
        say("stopping: what runs may finish (Ctrl-C again to stop at once)")
        deadline = time.monotonic() + server.project.settings.stop_grace.total_seconds()
    finally:
        server.close()
    say("stopped")
    end_by(deadline)
