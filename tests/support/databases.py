"""A database of each kind, with the tables of convexpy and of the example app."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from app.models import Base
from servers.shared import Template, drop
from sqlalchemy import NullPool, create_engine, inspect

from convexpy.database.tables import metadata_table
from convexpy.migrations.metadata import write_value
from convexpy.testing.database import MADE_BY, TESTS, copy_of_template

TEMPLATE = Template(Base.metadata)


def new_database(kind: str, folder: Path) -> Iterator[str]:
    """The URL of a database that no test has used, dropped afterwards. Its tables are there, which is faster."""
    if kind == "sqlite":
        yield f"sqlite:///{copy_of_template(Base.metadata, folder)}"
        return
    copy = TEMPLATE.copy()
    yield copy.render_as_string(hide_password=False)
    drop(copy)


def mark_as_test_database(url: str) -> None:
    """Let a ConvexTest run the jobs of a database that commands, or an older version, have made."""
    with create_engine(url, poolclass=NullPool).begin() as connection:
        if inspect(connection).has_table(metadata_table.name):
            write_value(connection, MADE_BY, TESTS)
