"""``convexpy start`` and ``convexpy worker``: an app in production, until it is asked to stop."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from .arguments import HERE, AllowUnappliedOption, DatabaseOption, HostOption, PortOption, ProjectOption
from .child_process import this_child_process
from .failure import WrongUsage
from .listener import bound
from .service import Service, run_service
from .signals import stop_on_signals

if TYPE_CHECKING:
    from ..project import Project
    from .supervisor import Role


def start(
    project: ProjectOption = HERE,
    database: DatabaseOption = None,
    host: HostOption = None,
    port: PortOption = None,
    workers: Annotated[
        int, typer.Option("--workers", metavar="N", min=1, help="Serve clients with so many processes.")
    ] = 1,
    allow_unapplied: AllowUnappliedOption = False,
) -> None:
    """Run the app in production.

    A process that serves HTTP and WebSockets and one that runs scheduled jobs and crons, until SIGINT or SIGTERM. Needs
    a database that is configured and migrated.
    """
    child = this_child_process()
    service = Service(project, database, allow_unapplied, host, port, serves=True, works=False)
    if child is not None:
        run_service(service, child)
    elif os.name == "posix":
        supervise_servers(service, workers)
    elif workers > 1:
        raise WrongUsage("--workers is not supported on Windows", "Leave --workers out.")
    else:
        run_service(replace(service, works=True))


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
    service = Service(project, database, allow_unapplied)
    if processes == 1:
        run_service(service, this_child_process())
    elif os.name == "posix":
        supervise_workers(service, processes)
    else:
        raise WrongUsage(
            "--processes is not supported on Windows",
            "Leave --processes out, and start `convexpy worker` several times.",
        )


def supervise_servers(service: Service, workers: int) -> None:
    """Run so many server processes, which share a socket, and a worker process."""
    from ..runtime.metrics import shared_by_children
    from .supervisor import Role, command_line

    project = service.load()
    serving = command_line("start", *service.options())
    working = command_line("worker", *replace(service, host=None, port=None).options())
    with bound(project.settings) as listener, shared_by_children():
        names = ["server"] if workers == 1 else [f"server {number}" for number in range(1, workers + 1)]
        supervise(project, [*(Role(name, serving, listener) for name in names), Role("worker", working)])


def supervise_workers(service: Service, processes: int) -> None:
    """Run so many worker processes."""
    from .supervisor import Role, command_line

    command = command_line("worker", *service.options())
    supervise(service.load(), [Role(str(number), command) for number in range(1, processes + 1)])


def supervise(project: Project, roles: Sequence[Role]) -> None:
    """Run several processes until SIGINT or SIGTERM. A second signal kills them all."""
    from .logs import log_to_stdout
    from .supervisor import Supervisor

    log_to_stdout(project, as_json=not sys.stdout.isatty())
    supervisor = Supervisor(roles, project.settings.stop_grace.total_seconds())
    stop_on_signals(supervisor.request_stop, supervisor.kill)
    code = supervisor.run()
    if code:
        raise typer.Exit(code)
