"""``convexpy check``: load the app and report every problem, with its file and line.

It needs no database. If the project's is there, what waits in it is compared with the code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from ..errors import DatabaseError, LoadError, SettingsError
from .arguments import HERE, JsonOption, ProjectOption
from .failure import frame, report
from .opening import database_url, loaded
from .output import escaped, say, show_json

if TYPE_CHECKING:
    from ..functions.load import App
    from ..project import Project

PLACE: Final = re.compile(r"(?P<file>[^\n:]+\.\w+):(?P<line>\d+): (?P<message>.*)", re.DOTALL)


def check(project: ProjectOption = HERE, as_json: JsonOption = False) -> None:
    """Load the app and report every problem.

    Each with its file and line. Exits 1 if there is one. A database that is there is read: revisions that have not run
    on it, and pending jobs that the code cannot run, are warnings.
    """
    from ..project import load_project

    app: App | None = None
    beside_the_app: list[str] = []
    failed: LoadError | SettingsError | None = None
    try:
        found = load_project(project)
        app = loaded(found)
        found.find_metadata()
        beside_the_app = [*auth_warnings(found), *database_warnings(found, app)]
    except (LoadError, SettingsError) as error:
        failed = error
    warnings = list(warnings_of(app)) if app is not None else []
    warnings += beside_the_app
    if as_json:
        problems = [placed(problem) for problem in problems_of(failed)]
        show_json({"ok": failed is None, "problems": problems, "warnings": [placed(each) for each in warnings]})
    else:
        for warning in warnings:
            say(f"warning: {escaped(warning)}", style="yellow")
        if app is not None and failed is None:
            say(f"ok: {contents(app)}")
    if failed is not None:
        if not as_json:
            report(frame(failed))
        raise typer.Exit(1)


def problems_of(error: LoadError | SettingsError | None) -> list[str]:
    if error is None:
        return []
    return error.problems if isinstance(error, LoadError) else str(error).splitlines()


def warnings_of(app: App) -> Iterator[str]:
    """What works, but is probably a mistake."""
    yield from app.warnings
    for cron in app.crons.definitions.values():
        function = app.registry.find(cron.function)
        if function.visibility == "public":
            yield (
                f"{cron.place}: cron {cron.name!r} runs {function.name!r}, which is public: clients can call it too. "
                f"Make it internal (@internal_{function.kind})"
            )


def auth_warnings(project: Project) -> Iterator[str]:
    """Issuers whose keys are here and cannot be read. Those at a URL are not asked for."""
    here = [each for each in project.settings.auth if each.secret is None and each.keys_url is None]
    if not here:
        return
    import asyncio

    from ..server.key_sets import read_keys
    from ..server.key_sources import KeysUnavailable, source_of

    for provider in here:
        try:
            read_keys(asyncio.run(source_of(provider)()))
        except KeysUnavailable as error:
            yield f"auth: the keys of {provider.issuer!r} cannot be read, so no token is accepted: {error}"


def database_warnings(project: Project, app: App) -> Iterator[str]:
    """What the code and the project's database expect of each other, where they disagree."""
    from ..doctor.checks import check_code

    try:
        url = database_url(project)
        if url.get_backend_name() == "sqlite" and not (url.database and Path(url.database).exists()):
            return
        for finding in check_code(url, project.settings, app.registry, project.migrations):
            if finding.mark != "ok":
                yield f"{finding.about}: {finding.sentence}"
    except DatabaseError as error:
        yield f"the database cannot be read, so its revisions and pending jobs are not checked: {error}"


def placed(problem: str) -> dict[str, Any]:
    """A problem as JSON: its file, line and message."""
    match = PLACE.fullmatch(problem)
    if match is None:
        return {"file": None, "line": None, "message": problem}
    return {"file": str(Path(match["file"])), "line": int(match["line"]), "message": match["message"]}


def contents(app: App) -> str:
    """``6 functions, 1 cron``."""
    found = [count(len(app.registry.functions), "function"), count(len(app.crons.definitions), "cron")]
    routes = len(list(app.registry.routes))
    return ", ".join([*found, count(routes, "route")] if routes else found)


def count(number: int, noun: str) -> str:
    """``1 cron``, ``12 functions``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
