"""Revisions are plain Alembic: its own command runs them, up and down."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from sqlalchemy import Column, Engine, Integer, inspect

from convexpy.database.tables import FRAMEWORK_TABLES
from convexpy.migrations.revisions import current, make_revision, upgrade

from .schemas import note, orders

ENV = """
from alembic import context
from sqlalchemy import create_engine

with create_engine({url!r}).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
"""


def alembic(project: Path, *arguments: str) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", "alembic", *arguments]
    finished = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr


def test_alembics_own_command_runs_revisions_up_and_down(database: Engine, tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    for models in (orders(), orders(note()), orders(note(), Column("Total", Integer))):
        make_revision(database, models, folder, "next")
    upgrade(database, orders(note(), Column("total", Integer)), folder)
    make_revision(database, orders(note(), Column("total", Integer)), folder, "renames")
    environment = tmp_path / "alembic"
    environment.mkdir()
    (environment / "env.py").write_text(ENV.format(url=database.url.render_as_string(hide_password=False)))
    (tmp_path / "alembic.ini").write_text(
        "[alembic]\nscript_location = %(here)s/alembic\nversion_locations = %(here)s/migrations\npath_separator = os\n"
    )

    alembic(tmp_path, "upgrade", "head")
    status = current(database, folder)
    assert status.revision == status.head
    assert [column["name"] for column in inspect(database).get_columns("orders")] == ["id", "note", "total"]

    alembic(tmp_path, "downgrade", "-3")
    assert [column["name"] for column in inspect(database).get_columns("orders")] == ["id"]
    alembic(tmp_path, "downgrade", "base")
    assert set(inspect(database).get_table_names()) - FRAMEWORK_TABLES == {"alembic_version"}
