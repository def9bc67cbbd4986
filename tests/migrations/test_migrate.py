"""The framework's own tables: created, upgraded, checked, refused."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, NullPool, Table, create_engine, inspect, text
from support.forks import Child

from convexpy.database import tables
from convexpy.errors import DatabaseError
from convexpy.migrations import framework as migrations
from convexpy.migrations.framework import HEAD, alembic_config, check_revision, current_revision, migrate

from .databases import schema, sqlite_engine


def run(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def set_revision(engine: Engine, revision: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {tables.ALEMBIC_VERSION_TABLE} SET version_num = :it"), {"it": revision})


def test_head_is_the_newest_migration() -> None:
    from alembic.script import ScriptDirectory

    assert ScriptDirectory.from_config(alembic_config()).get_heads() == [HEAD]


def test_the_migrations_build_exactly_the_tables_that_the_code_works_with(sqlite: Engine, tmp_path: Path) -> None:
    migrate(sqlite)
    straight = sqlite_engine(tmp_path / "straight.db")
    tables.metadata.create_all(straight)

    built = schema(sqlite)

    assert built == schema(straight)
    assert "WITHOUT ROWID" in built["_convexpy_finished"]
    assert "WHERE worker IS NULL" in built["_convexpy_queue_unclaimed"]


def test_alembic_finds_no_difference_between_the_migrations_and_the_tables(engine: Engine) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    migrate(engine)

    with engine.connect() as connection:
        options = {
            "version_table": tables.ALEMBIC_VERSION_TABLE,
            "compare_server_default": True,
            # Our own plugin would hide everything.
            "autogenerate_plugins": ["alembic.autogenerate.*", "~alembic.autogenerate.convexpy"],
        }
        found = compare_metadata(MigrationContext.configure(connection, opts=options), tables.metadata)
        # Alembic does not ask for which of the databases an index is.
        if engine.dialect.name == "sqlite":
            found = [each for each in found if each[1].name != "_convexpy_commits_by_position"]
        assert found == []


def test_migrating_again_does_nothing(engine: Engine) -> None:
    migrate(engine)
    migrate(engine)

    assert current_revision(engine) == HEAD
    check_revision(engine)


def test_a_current_database_is_checked_without_importing_alembic(sqlite: Engine) -> None:
    migrate(sqlite)
    code = """
import sys
from sqlalchemy import create_engine
from convexpy.migrations.framework import check_revision, migrate
engine = create_engine(sys.argv[1])
check_revision(engine)
migrate(engine)
assert "alembic" not in sys.modules
"""
    process = run(code, sqlite.url)
    _, errors = process.communicate()

    assert process.returncode == 0, errors


def test_several_processes_may_migrate_at_once(engine: Engine) -> None:
    gate, opener = os.pipe()

    def work() -> None:
        os.read(gate, 1)
        migrate(create_engine(engine.url, isolation_level="SERIALIZABLE", poolclass=NullPool))

    children = [Child(work) for _ in range(4)]
    os.write(opener, b"1234")
    for child in children:
        child.result()  # raises its error

    assert current_revision(engine) == HEAD
    for end in (gate, opener):
        os.close(end)


def test_a_connection_in_a_transaction_is_joined_and_its_owner_decides(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.begin()
        migrate(connection)
        check_revision(connection)
        connection.rollback()

    assert current_revision(engine) is None
    assert inspect(engine).get_table_names() == []


def test_an_idle_connection_is_idle_again_afterwards(engine: Engine) -> None:
    with engine.connect() as connection:
        migrate(connection)
        check_revision(connection)

        assert not connection.in_transaction()

    assert current_revision(engine) == HEAD


def test_a_migration_that_fails_leaves_the_database_as_it_was(engine: Engine) -> None:
    other = MetaData()
    Table("_convexpy_crons", other, Column("id", Integer, primary_key=True))
    other.create_all(engine)

    with pytest.raises(Exception, match="_convexpy_crons"):
        migrate(engine)

    assert inspect(engine).get_table_names() == ["_convexpy_crons"]


def test_foreign_keys_are_enforced_again_after_a_migration(sqlite: Engine) -> None:
    with sqlite.connect() as connection:
        migrate(connection)

        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_a_database_without_our_tables_is_refused_with_the_remedy(engine: Engine) -> None:
    with pytest.raises(DatabaseError, match=r"has no convexpy tables yet: run convex.migrate\(\) or `convexpy db upg"):
        check_revision(engine)


def test_a_database_of_an_older_version_is_refused_with_the_remedy(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(engine)
    monkeypatch.setattr(migrations, "HEAD", "convexpy_0099")

    with pytest.raises(DatabaseError, match=f"older convexpy .revision {HEAD}, this version needs convexpy_0099.*run"):
        check_revision(engine)


@pytest.mark.parametrize("revision", ["convexpy_9999", "something_else"])
def test_a_database_of_a_newer_version_is_refused_and_not_touched(engine: Engine, revision: str) -> None:
    migrate(engine)
    set_revision(engine, revision)

    for function in (check_revision, migrate):
        with pytest.raises(DatabaseError, match=f"newer convexpy .revision {revision}, .* up to {HEAD}.: upgrade conv"):
            function(engine)
    assert current_revision(engine) == revision


def test_an_error_does_not_show_the_password_of_the_database(sqlite: Engine) -> None:
    sqlite.url = sqlite.url.set(username="me", password="secret")

    with pytest.raises(DatabaseError) as caught:
        check_revision(sqlite)

    assert "secret" not in str(caught.value)


@pytest.fixture
def impatient(tmp_path: Path) -> Iterator[Engine]:
    engine = sqlite_engine(tmp_path / "held.db", busy_milliseconds=1)
    yield engine
    engine.dispose()


def test_a_database_that_another_process_holds_is_an_error_that_says_so(impatient: Engine) -> None:
    with impatient.connect() as other:
        other.begin()
        with pytest.raises(DatabaseError, match=r"database is locked\. Another process has locked the database: try"):
            migrate(impatient)


def test_the_users_own_version_table_is_not_touched(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('theirs')")

    migrate(engine)

    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars().all() == ["theirs"]
