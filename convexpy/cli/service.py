"""One process of an app in production: it serves clients, or runs scheduled jobs, until it is asked to stop."""

from __future__ import annotations

import ctypes
import gc
import sys
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .banner import dashboard_of
from .check import contents
from .child_process import ChildProcess
from .failure import Failure
from .listener import bound
from .signals import stop_on_signals

if TYPE_CHECKING:
    from pathlib import Path

    from ..app import Convex
    from ..project import Project
    from .http_server import HttpServer

POLL_SECONDS: Final = 1.0
GARBAGE_THRESHOLDS: Final = (10_000, 20, 20)
M_MMAP_THRESHOLD: Final = -3
LARGE_BLOCK: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Service:
    """What a process is there for, as it was asked for on the command line."""

    path: Path
    database: str | None
    allow_unapplied: bool
    host: str | None = None
    port: int | None = None
    serves: bool = False
    works: bool = True

    def load(self) -> Project:
        """The project, whose database must be configured."""
        from ..project import load_project

        project = load_project(self.path, database=self.database, host=self.host, port=self.port)
        refuse_default_database(project)
        return project

    def options(self) -> list[str]:
        """The options of a command line that asks for the same."""
        options = ["--project", str(self.path)]
        for name, value in (("--database", self.database), ("--host", self.host), ("--port", self.port)):
            options += [name, str(value)] if value is not None else []
        return [*options, "--allow-unapplied"] if self.allow_unapplied else options


def run_service(service: Service, child: ChildProcess | None = None) -> None:
    """Serve and work until SIGINT or SIGTERM, then let what runs finish."""
    from .logs import log, log_to_stdout, print_run
    from .opening import open_app
    from .process_end import end_by

    # A signal while the database is being opened ends the process as later ones do: with exit code 0.
    with suppress(KeyboardInterrupt):
        is_stopping = stop_on_signals()
        if child:
            child.stop_with_parent(is_stopping)
        project = service.load()
        name, as_json = child.name if child else None, not sys.stdout.isatty()
        log_to_stdout(project, as_json=as_json, name=name, requests=service.serves)
        with closing(open_app(project)) as convex:
            if child is None or child.is_first:
                check_revisions(convex, project, service.allow_unapplied)
                for warning in convex.app.warnings:
                    log.warning(warning)
            convex.on_run(
                lambda run: print_run(run, project.root, as_json=as_json, name=name), lambda: sys.stdout.flush()
            )
            server = new_server(convex, child) if service.serves else None
            tune_garbage_collector()
            tune_allocator()
            with suppress(KeyboardInterrupt):
                if server is not None:
                    server.start()
                    log.info("serving at %s", server.url)
                    if project.settings.dashboard:
                        log.info("dashboard at %s", dashboard_of(server.url))
                if service.works:
                    convex.start()
                    log.info("running: %s", contents(convex.app))
                if child:
                    child.report_running()
                while not is_stopping():
                    time.sleep(POLL_SECONDS)
            log.info("stopping: running %s may finish", "jobs" if service.works else "requests")
            deadline = time.monotonic() + project.settings.stop_grace.total_seconds()
            if server is not None:
                server.stop(deadline)
        end_by(deadline)


def new_server(convex: Convex, child: ChildProcess | None) -> HttpServer:
    """A server of the app, at the socket of the supervisor or at one of its own."""
    from .http_server import HttpServer

    listener = child.listener if child else None
    return HttpServer(convex.asgi(), listener or bound(convex.settings), convex.settings)


def tune_garbage_collector() -> None:
    """Collect what handlers leave behind, rarely, and never what was loaded.

    To traverse all loaded objects takes tens of milliseconds, every few seconds. A handler makes hundreds of objects,
    nearly all of which reference counting frees.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)


def tune_allocator() -> None:
    """Let memory of large messages go back to the system.

    By itself glibc keeps blocks of up to 32 MiB for later ones, in each thread: hundreds of MiB after a few messages.
    """
    if sys.platform == "linux":
        with suppress(AttributeError):  # another C library
            ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK)


def refuse_default_database(project: Project) -> None:
    if not project.has_database:
        raise Failure(
            "no database is configured, and the development database is not for production",
            "Set CONVEXPY_DATABASE, or `database` in [tool.convexpy], or pass --database sqlite:////path/to/app.db",
        )


def check_revisions(convex: Convex, project: Project, allow_unapplied: bool) -> None:
    """Refuse a database without tables that the code expects: due jobs would fail for good. Warn if it is ahead."""
    from ..migrations import framework
    from ..migrations.revision_gap import revision_gap
    from .logs import log

    with convex.database.read_internal() as connection:
        framework.check_revision(connection)
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
