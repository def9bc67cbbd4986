"""``convexpy db``: migrate a database by reviewed revisions, and show its revisions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, get_args

import typer

from .arguments import HERE, DatabaseOption, JsonOption, ProjectOption
from .banner import shown_database
from .copy import copy
from .failure import Failure
from .live_tables import live_tables
from .opening import database_url, migrating, refuse_missing_file, schema_engine
from .output import say, show_json

if TYPE_CHECKING:
    from sqlalchemy import MetaData

    from ..project import Project

Dialect = Literal["sqlite", "postgresql"]
DIALECTS: Final[tuple[str, ...]] = get_args(Dialect)

db = typer.Typer(help="Migrate the database, and show its revisions.", no_args_is_help=True)
db.command()(copy)
db.add_typer(live_tables, name="live")


@db.command()
def upgrade(
    revision: Annotated[str, typer.Argument(metavar="[REVISION]", help="The last revision to run.")] = "head",
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Run nothing: record that the tables match the newest revision.")
    ] = False,
    project: ProjectOption = HERE,
    database: DatabaseOption = None,
) -> None:
    """Bring the database up to date.

    The framework's tables first, then the app's, by the project's revisions.
    """
    found = project_at(project, database)
    metadata = tables_of(found)
    with migrating(found) as engine:
        from ..migrations import revisions

        say(f"upgrading {shown_database(engine.url, found.root)}")
        before = revisions.current(engine, found.migrations).revision
        if adopt:
            revisions.adopt(engine, metadata, found.migrations)
        else:
            revisions.upgrade(engine, metadata, found.migrations, revision)
        after = revisions.current(engine, found.migrations)
    say("the framework's tables are up to date")
    if after.head is None:
        say(f"there are no revisions in {found.migrations}: the app's tables are unchanged")
    else:
        came_from = f" (they were at {before})" if before not in (None, after.revision) else ""
        say(f"the app's tables are at {after.revision}{came_from}")


@db.command("current")
def show_current(project: ProjectOption = HERE, database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Show the revisions of the database."""
    found = project_at(project, database)
    refuse_missing_file(found)
    with migrating(found) as engine:
        from ..migrations import revisions
        from ..migrations.framework import HEAD, current_revision

        framework = {"revision": current_revision(engine), "newest": HEAD}
        status = revisions.current(engine, found.migrations)
        url = engine.url
    from ..database.url import shown_url

    app = {"revision": status.revision, "newest": status.head}
    if as_json:
        show_json({"database": shown_url(url), "framework": framework, "app": app})
        return
    say(f"database   {shown_database(url, found.root)}")
    say(f"framework  {describe(framework)}")
    say(f"app        {describe(app)}")


@db.command("revision")
def make_revision(
    message: Annotated[str, typer.Option("--message", "-m", help="What the revision changes.", show_default=False)],
    empty: Annotated[bool, typer.Option("--empty", help="Write an empty one, to fill in by hand.")] = False,
    project: ProjectOption = HERE,
    database: DatabaseOption = None,
) -> None:
    """Write a revision for what changed in the models.

    The difference between the tables that the revisions so far build and the models. The database is not touched.
    """
    from ..migrations import revisions

    found = project_at(project, database)
    with schema_engine(database_url(found)) as engine:  # for its dialect only
        path = revisions.make_revision(engine, tables_of(found), found.migrations, message, autogenerate=not empty)
    if path is None:
        say("nothing to write: the revisions and the models agree")
    else:
        say(f"wrote {path}\nRead it, then: convexpy db upgrade")


@db.command()
def sql(
    from_empty: Annotated[bool, typer.Option("--from-empty", help="Begin with an empty database.")] = False,
    dialect: Annotated[Dialect | None, typer.Option("--dialect", help="For this kind of database, from empty.")] = None,
    project: ProjectOption = HERE,
    database: DatabaseOption = None,
) -> None:
    """Print the SQL that an upgrade would run.

    From the database's current revision, or from an empty database. Nothing is run.
    """
    from ..migrations import revisions

    found = project_at(project, database)
    if from_empty or dialect is not None:
        kind = dialect or database_url(found).get_backend_name()
        if kind not in DIALECTS:
            raise Failure(f"there is no SQL for {kind!r} databases", f"Choose with --dialect {' or '.join(DIALECTS)}.")
        text = revisions.upgrade_sql(kind, found.migrations)
    else:
        from ..migrations.framework import current_revision

        refuse_missing_file(found)
        with migrating(found) as engine:
            since = revisions.current(engine, found.migrations).revision
            text = revisions.upgrade_sql(engine.dialect.name, found.migrations, since, current_revision(engine))
    say(text.rstrip() or "-- The database is up to date.")


def project_at(path: Path, database: str | None) -> Project:
    from ..project import load_project

    return load_project(path, database=database)


def tables_of(project: Project) -> MetaData:
    """The app's tables. An app without any has an empty MetaData."""
    from sqlalchemy import MetaData

    return project.find_metadata() or MetaData()


def describe(status: dict[str, Any]) -> str:
    revision, newest = status["revision"], status["newest"]
    if newest is None:
        return "there are no revisions"
    if revision == newest:
        return f"{revision}, up to date"
    return f"{revision or 'no revision has run'}; the newest is {newest}: run `convexpy db upgrade`"
