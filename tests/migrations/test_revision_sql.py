"""An upgrade written as SQL."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Column, Engine, Text

from convexpy.errors import DatabaseError
from convexpy.migrations.framework import HEAD, check_revision
from convexpy.migrations.revisions import current, make_revision, upgrade, upgrade_sql

from .databases import schema, sqlite_engine, write_revision
from .schemas import all_types, note, orders


def test_the_sql_does_what_the_upgrade_does(sqlite: Engine, folder: Path, tmp_path: Path) -> None:
    models = all_types("sqlite")
    make_revision(sqlite, models, folder, "first")
    sql = upgrade_sql("sqlite", folder)
    upgrade(sqlite, models, folder)

    script = sqlite3.connect(tmp_path / "script.db")
    script.executescript(sql)
    script.close()

    other = sqlite_engine(tmp_path / "script.db")
    assert {name: sql.split() for name, sql in schema(other).items()} == {
        name: sql.split() for name, sql in schema(sqlite).items()
    }
    assert current(other, folder) == current(sqlite, folder)
    check_revision(other)


def test_the_sql_can_begin_where_the_database_is(engine: Engine, folder: Path) -> None:
    write_revision(folder, "one", None, "op.execute('SELECT 1')")
    write_revision(folder, "two", "one", "op.execute('SELECT 2')")

    sql = upgrade_sql("postgresql", folder, since="one", framework_since=HEAD)

    assert "SELECT 2" in sql
    assert "SELECT 1" not in sql
    assert "_convexpy" not in sql
    assert upgrade_sql("postgresql", folder, since="two", framework_since=HEAD) == ""


def test_sql_that_cannot_be_written_is_an_error_that_says_so(sqlite: Engine, folder: Path) -> None:
    make_revision(sqlite, orders(note()), folder, "first")
    make_revision(sqlite, orders(Column("note", Text, nullable=False)), folder, "second")

    with pytest.raises(DatabaseError, match="a revision cannot be written as SQL for sqlite"):
        upgrade_sql("sqlite", folder)
    assert "ALTER COLUMN note SET NOT NULL" in upgrade_sql("postgresql", folder)
