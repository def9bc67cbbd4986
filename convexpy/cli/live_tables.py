"""``convexpy db live``: let live queries see what other programs write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .arguments import HERE, DatabaseOption, ProjectOption
from .failure import Failure
from .opening import database_url, schema_engine
from .output import say

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine

live_tables = typer.Typer(help="Let live queries see what other programs write.", no_args_is_help=True)
TablesArgument = Annotated[list[str], typer.Argument(metavar="TABLE…", help="Tables that other programs write.")]


@live_tables.command()
def install(tables: TablesArgument, project: ProjectOption = HERE, database: DatabaseOption = None) -> None:
    """Write a revision with triggers on these tables.

    After it has run, what psql, Django or any other program writes to them is seen by live queries. It is needed on
    PostgreSQL only: on SQLite every write is seen anyway. The database is not touched.
    """
    write(tables, project, database, install=True)


@live_tables.command()
def remove(tables: TablesArgument, project: ProjectOption = HERE, database: DatabaseOption = None) -> None:
    """Write a revision that removes these triggers. The database is not touched."""
    write(tables, project, database, install=False)


def write(tables: list[str], path: Path, database: str | None, *, install: bool) -> None:
    from sqlalchemy import MetaData

    from ..database.footprints import is_framework_table
    from ..migrations import live_triggers
    from ..project import load_project

    found = load_project(path, database=database)
    metadata = found.find_metadata() or MetaData()
    with schema_engine(database_url(found)) as engine:
        for table in tables:
            if is_framework_table(table):
                raise Failure(f"{table} is convexpy's own table", "Its changes are seen without a trigger.")
            if install and table not in metadata.tables and not is_in_database(engine, table):
                known = ", ".join(sorted(metadata.tables)) or "it has none"
                raise Failure(f"there is no table {table!r}, in the models or the database", f"The app's are: {known}.")
        written = live_triggers.write_revision(engine, metadata, found.migrations, tables, install=install)
    say(f"wrote {written}\nRead it, then: convexpy db upgrade")


def is_in_database(engine: Engine, table: str) -> bool:
    """Whether a table that is not the app's is there all the same. It may be another program's, read by its SQL."""
    if engine.dialect.name != "postgresql":
        return False
    from sqlalchemy import inspect

    schema, _, name = table.rpartition(".")
    return inspect(engine).has_table(name, schema=schema or None)
