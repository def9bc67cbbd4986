"""``convexpy doctor``: check the project's database, and say what to change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from ..errors import LoadError, SettingsError
from .arguments import HERE, DatabaseOption, JsonOption, ProjectOption
from .check import count
from .failure import PROBLEM
from .opening import database_url, loaded, quiet, refuse_missing_file
from .output import one_line, say, show_json

if TYPE_CHECKING:
    from sqlalchemy import MetaData

    from ..doctor.finding import Finding
    from ..functions.registry import Registry
    from ..project import Project

STYLES: Final = {"ok": "green", "note": "yellow", "risk": "red"}


def doctor(
    project: ProjectOption = HERE,
    database: DatabaseOption = None,
    seconds: Annotated[
        float, typer.Option("--seconds", min=0.1, max=3600, help="How long to measure the rate of transactions.")
    ] = 2.0,
    as_json: JsonOption = False,
) -> None:
    """Check the database and the settings.

    One line for each finding: what it saw, why it matters, what to do. Exits 1 if there is a risk. Changes nothing.
    """
    from ..doctor.checks import run_checks
    from ..project import load_project

    found = load_project(project, database=database)
    refuse_missing_file(found)
    metadata, registry = app_of(found)
    findings = run_checks(
        database_url(found), found.settings, metadata, seconds, registry=registry, migrations=found.migrations
    )
    risks, notes = (sum(finding.mark == mark for finding in findings) for mark in ("risk", "note"))
    if as_json:
        show_json({"ok": risks == 0, "findings": [finding.document() for finding in findings]})
    else:
        show(findings)
        say(f"{count(risks, 'risk')}, {count(notes, 'note')}")
    if risks:
        raise typer.Exit(PROBLEM)


def app_of(project: Project) -> tuple[MetaData | None, Registry | None]:
    """The app's tables and functions. None if the app cannot be loaded: its database is checked all the same."""
    try:
        with quiet():
            return project.find_metadata(), loaded(project).registry
    except (LoadError, SettingsError):
        text = "the app cannot be loaded, so every table counts as the app's, and pending jobs are not checked"
        say(f"{text}: `convexpy check` says why", to_stderr=True)
        return None, None


def show(findings: list[Finding]) -> None:
    width = max(len(finding.about) for finding in findings)
    for finding in findings:
        line = f"{finding.mark:4}  {finding.about:{width}}  {one_line(finding.sentence)}"
        say(line, style=STYLES[finding.mark])
