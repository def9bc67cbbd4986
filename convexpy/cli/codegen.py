"""``convexpy codegen``: types of the public functions, written for clients in TypeScript."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from .arguments import HERE, ProjectOption
from .banner import shown_path
from .failure import Failure, WrongUsage
from .opening import loaded
from .output import duration, say
from .signals import stop_on_signals

if TYPE_CHECKING:
    from ..functions.load import App
    from ..project import Project

AGAIN: Final = (sys.executable, "-m", "convexpy", "codegen", "ts")

codegen = typer.Typer(help="Write types of the functions for clients.", no_args_is_help=True)


@codegen.callback()
def languages() -> None:
    """Write types of the functions for clients."""


@codegen.command()
def ts(
    out: Annotated[
        Path | None, typer.Argument(metavar="[OUT]", help="The folder to write into.", show_default="as set")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Write again on every save, until Ctrl-C.")] = False,
    project: ProjectOption = HERE,
) -> None:
    """Write api.d.ts and api.js: the public functions, typed for the npm client `convex`."""
    from ..project import load_project

    began, found = time.perf_counter(), load_project(project)
    folder = out if out is not None else found.codegen
    if folder is None:
        raise WrongUsage(
            "there is no folder to write into",
            "Name one, `convexpy codegen ts web/src/convex`, or set `codegen` in [tool.convexpy].",
        )
    if watch:
        write_on_save(found, folder)
    else:
        report(found, folder, write(found, loaded(found), folder), time.perf_counter() - began)


def keep_types(project: Project, app: App) -> None:
    """Write the types of a loaded app into the folder that the project sets, if it sets one, and say what changed."""
    if project.codegen is None:
        return
    began = time.perf_counter()
    try:
        changed = write(project, app, project.codegen)
    except Failure as failure:
        say(f"warning: {failure.what}", style="yellow")
        return
    if changed:
        report(project, project.codegen, changed, time.perf_counter() - began)


def write(project: Project, app: App, folder: Path) -> list[Path]:
    from ..codegen.written_files import write_typescript

    try:
        return write_typescript(folder, app.registry.functions.values(), camel=project.settings.names == "camel")
    except OSError as error:
        raise Failure(f"{error.filename or folder}: the types cannot be written: {error.strerror}") from error


def report(project: Project, folder: Path, changed: list[Path], seconds: float) -> None:
    files = ", ".join(path.name for path in changed)
    outcome = f"wrote {files} in {duration(seconds)}" if changed else "up to date"
    say(f"types: {shown_path(folder.absolute(), project.root.resolve())}: {outcome}")


def write_on_save(project: Project, folder: Path) -> None:
    """Write at once and after every save. Each time is a process of its own, which imports the app anew."""
    from .watch import ProjectWatcher

    is_stopping = stop_on_signals()
    command = [*AGAIN, str(folder.absolute()), "--project", str(project.root)]
    with suppress(KeyboardInterrupt):
        watcher = ProjectWatcher(project)
        watcher.wait_until_ready()
        subprocess.run(command, check=False)
        for _ in watcher.saves(is_stopping):
            subprocess.run(command, check=False)
