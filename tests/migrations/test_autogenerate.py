"""A user's own Alembic project, in a process of its own, on a database that has the framework's tables as well."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from sqlalchemy import Engine

from convexpy.database.tables import FRAMEWORK_TABLES
from convexpy.migrations.autogenerate import include_name

ENV = """
from alembic import context
from sqlalchemy import Column, Integer, MetaData, Table, create_engine

{before}
metadata = MetaData()
Table("orders", metadata, Column("id", Integer, primary_key=True))
engine = create_engine({url!r})
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=metadata, {options})
    with context.begin_transaction():
        context.run_migrations()
"""
WITHOUT_PLUGIN = 'autogenerate_plugins=["alembic.autogenerate.*", "~alembic.autogenerate.convexpy"]'


def autogenerate(folder: Path, engine: Engine, options: str = "", before: str = "") -> str:
    """The revision that ``alembic revision --autogenerate`` writes in a project like any other."""
    scripts = folder / "alembic"
    (scripts / "versions").mkdir(parents=True)
    url = engine.url.render_as_string(hide_password=False)
    (folder / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/alembic\n")
    (scripts / "env.py").write_text(ENV.format(url=url, options=options, before=before))
    (scripts / "script.py.mako").write_text(
        'revision = ${repr(up_revision)}\ndown_revision = None\n\ndef upgrade():\n    ${upgrades or "pass"}\n'
    )
    command = [sys.executable, "-m", "alembic", "revision", "--autogenerate", "-m", "first"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}  # convexpy from wherever it is
    finished = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    [revision] = (scripts / "versions").glob("*.py")
    return revision.read_text()


def drops(revision: str) -> list[str]:
    return [line for line in revision.splitlines() if "drop" in line]


def test_without_the_plugin_alembic_would_drop_the_frameworks_tables(database: Engine, tmp_path: Path) -> None:
    revision = autogenerate(tmp_path, database, WITHOUT_PLUGIN)

    assert all(f"op.drop_table('{name}')" in revision for name in FRAMEWORK_TABLES)


def test_the_plugin_hides_the_frameworks_tables_with_nothing_configured(database: Engine, tmp_path: Path) -> None:
    try:
        distribution("convexpy")
    except PackageNotFoundError:
        pytest.skip("convexpy is imported from its sources and not installed, so Alembic cannot see its entry point")

    revision = autogenerate(tmp_path, database)

    assert "op.create_table('orders'" in revision
    assert drops(revision) == []


def test_the_plugin_hides_the_frameworks_tables_when_it_is_set_up(database: Engine, tmp_path: Path) -> None:
    before = """
from alembic.runtime.plugins import Plugin
from convexpy.migrations import autogenerate
Plugin.setup_plugin_from_module(autogenerate, "of.this.test")
"""
    revision = autogenerate(
        tmp_path,
        database,
        'autogenerate_plugins=["alembic.autogenerate.*", "~alembic.autogenerate.convexpy", "of.this.test"]',
        before,
    )

    assert "op.create_table('orders'" in revision
    assert drops(revision) == []


def test_include_name_hides_the_frameworks_tables_explicitly(database: Engine, tmp_path: Path) -> None:
    revision = autogenerate(
        tmp_path,
        database,
        f"include_name=include_name, {WITHOUT_PLUGIN}",
        "from convexpy.migrations.autogenerate import include_name",
    )

    assert "op.create_table('orders'" in revision
    assert drops(revision) == []


def test_only_the_frameworks_tables_are_hidden() -> None:
    assert not include_name("_convexpy_queue", "table", {"schema_name": None})
    assert include_name("_convexpy_queue", "table", {"schema_name": "other"})
    assert include_name("_convexpy_mine", "table", {"schema_name": None})
    assert include_name("_convexpy_queue", "column", {"schema_name": None, "table_name": "orders"})
    assert include_name(None, "schema", {})


def test_the_plugin_can_be_imported_before_alembic() -> None:
    code = "import convexpy.migrations.autogenerate, sys; assert 'alembic' not in sys.modules; import alembic"
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert finished.returncode == 0, finished.stderr
