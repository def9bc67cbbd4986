"""Where a test runs: on a database of its own, on SQLite and on a PostgreSQL server; never on that of an app."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from app.models import Base, Note
from servers.shared import drop, new_database, postgres_url
from sqlalchemy import URL, MetaData, NullPool, create_engine, func, inspect, make_url, select
from support.apps import START, app_of

from convexpy import Convex, DatabaseError, JobId, LoadError, MutationCtx, internal_mutation, mutation
from convexpy.pytest_plugin import TEST_DATABASE, server_url
from convexpy.testing import ConvexTest
from convexpy.testing.server import PREFIX, TestServer

ran: list[str] = []


@internal_mutation
def work(ctx: MutationCtx, label: str) -> None:
    ran.append(label)


@mutation
def schedule(ctx: MutationCtx, label: str) -> JobId:
    return ctx.schedule.after(1000, work, label=label)


@mutation
def add_note(ctx: MutationCtx) -> int:
    ctx.db.add(Note(text="a"))
    ctx.db.flush()
    return ctx.db.scalars(select(func.count()).select_from(Note)).one()


APP = app_of(work, schedule, add_note)


@pytest.fixture
def server() -> Iterator[str]:
    """The URL of a PostgreSQL server, through a database on it that is nobody's test."""
    url = new_database()
    yield shown(url)
    drop(url)


def shown(url: URL) -> str:
    return url.render_as_string(hide_password=False)


def test_databases() -> set[str]:
    """The throw-away databases on the server at this moment."""
    engine = create_engine(postgres_url(), poolclass=NullPool)
    with engine.connect() as connection:
        names = connection.exec_driver_sql("SELECT datname FROM pg_database").scalars().all()
    return {name for name in names if name.startswith(PREFIX)}


test_databases.__test__ = False  # type: ignore[attr-defined]


def tables(url: str) -> list[str]:
    return inspect(create_engine(url, poolclass=NullPool)).get_table_names()


def test_each_test_on_a_server_has_a_database_of_its_own_that_is_dropped(server: str) -> None:
    names = []
    for _ in range(2):
        with ConvexTest(APP, metadata=Base.metadata, database_url=server) as convex:
            assert convex.run(add_note) == 1
            names.append(convex.convex.database.url.database)
            assert names[-1] in test_databases()
    assert len({*names, make_url(server).database}) == 3
    assert not test_databases() & set(names)
    assert tables(server) == []


def test_a_url_without_a_name_is_a_server_as_well() -> None:
    url = postgres_url().set(drivername="postgresql", database=None)
    with ConvexTest(APP, metadata=Base.metadata, database_url=shown(url)) as convex:
        assert convex.run(add_note) == 1
        assert convex.convex.database.url.database in test_databases()


def test_a_database_is_dropped_after_a_test_that_fails_or_does_not_load(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[URL] = []
    original = TestServer.new_database
    monkeypatch.setattr(TestServer, "new_database", lambda self: made.append(original(self)) or made[-1])
    with pytest.raises(ZeroDivisionError), ConvexTest(APP, database_url=server):
        _ = 1 / 0
    with pytest.raises(LoadError, match="nowhere"), ConvexTest("nowhere", database_url=server):
        pass
    assert len(made) == 2
    assert not test_databases() & {url.database for url in made}


def test_two_kits_with_other_tables_do_not_share_a_template(server: str) -> None:
    with ConvexTest(APP, metadata=Base.metadata, database_url=server) as convex:
        assert "notes" in tables(shown(convex.convex.database.url))
    with ConvexTest(APP, metadata=MetaData(), database_url=server) as convex:
        assert "notes" not in tables(shown(convex.convex.database.url))


def test_chaos_runs_on_a_server_too(server: str) -> None:
    with ConvexTest(APP, metadata=Base.metadata, database_url=server, chaos=1) as convex:
        convex.run(schedule, label="chaos")
        convex.finish_all_scheduled()
        assert [job.state.kind for job in convex.jobs()] == ["success"]


def test_a_second_kit_shares_the_database_of_the_first(server: str) -> None:
    ran.clear()
    with ConvexTest(APP, database_url=server, now=START) as first:
        first.run(schedule, label="shared")
        with ConvexTest(APP, database_url=shown(first.convex.database.url), now=START) as second:
            second.advance(seconds=1)
            assert ran == ["shared"]
        assert first.jobs(state="success")


def test_the_jobs_of_an_app_on_a_server_are_never_touched(server: str) -> None:
    ran.clear()
    with Convex(server, functions=APP) as live:
        live.migrate()
        live.run(schedule, label="live")
        with ConvexTest(APP, metadata=Base.metadata, database_url=server) as convex:
            assert convex.jobs() == []
            convex.advance(days=30)
        assert ran == []
        assert [job["state"]["kind"] for job in live.call("_system/jobs:list")] == ["pending"]
        assert "notes" not in tables(server)


def test_the_jobs_of_an_app_in_a_file_are_never_touched(tmp_path: Path) -> None:
    ran.clear()
    url = f"sqlite:///{tmp_path / 'live.db'}"
    with Convex(url, functions=APP) as live:
        live.migrate()
        live.run(schedule, label="live")
        refused = pytest.raises(DatabaseError, match=r"live\.db is the database of an app.*Leave `database_url` out")
        with refused, ConvexTest(APP, metadata=Base.metadata, database_url=url):
            pass
        assert [job["state"]["kind"] for job in live.call("_system/jobs:list")] == ["pending"]
    assert ran == []
    assert "notes" not in tables(url)


def test_a_server_that_cannot_be_used_says_why(server: str) -> None:
    url = make_url(server)
    for wrong, text in (
        (url.set(port=1), "refused"),
        (url.set(database="nowhere"), 'database "nowhere" does not exist'),
        (url.set(drivername="postgresql+asyncpg"), "not supported"),
    ):
        with pytest.raises(DatabaseError, match=text), ConvexTest(APP, database_url=shown(wrong)):
            pass
    with pytest.raises(DatabaseError, match="is not a database URL"), ConvexTest(APP, database_url="postgresql:/x"):
        pass


def test_a_role_without_the_right_is_told_which_one(server: str) -> None:
    url = make_url(server)
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    name = f"role_of_{url.database}"
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {name} LOGIN PASSWORD 'x'")
        try:
            wrong = shown(url.set(username=name, password="x"))
            refused = pytest.raises(DatabaseError, match=f"permission denied.*ALTER ROLE {name} CREATEDB")
            with refused, ConvexTest(APP, database_url=wrong):
                pass
        finally:
            connection.exec_driver_sql(f"DROP ROLE {name}")


# ---------------------------------------------------------------------------------------------- the fixture

PROJECT = {
    "pyproject.toml": '[tool.convexpy]\nfunctions = "notes"\n[tool.pytest.ini_options]\npythonpath = ["."]\n',
    "notes/__init__.py": "",
    "notes/rows.py": """
        from sqlalchemy import func, select
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

        from convexpy import MutationCtx, mutation


        class Base(DeclarativeBase):
            pass


        class Row(Base):
            __tablename__ = "rows"
            id: Mapped[int] = mapped_column(primary_key=True)


        @mutation
        def add(ctx: MutationCtx) -> int:
            ctx.db.add(Row())
            ctx.db.flush()
            return ctx.db.scalars(select(func.count()).select_from(Row)).one()
    """,
    "test_rows.py": """
        import pytest

        from convexpy.testing.server import _servers
        from notes.rows import add


        @pytest.mark.parametrize("number", range(3))
        def test_a_row(convex, number):
            assert convex.run(add) == 1
            print("ran on", convex.convex.database.url.get_backend_name(), convex.convex.database.url.database)
            for _, server in _servers.values():
                print("from", server._template.database)
    """,
}


def run_pytest(folder: Path, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    for name, text in PROJECT.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(dedent(text), "utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("CONVEXPY_", "PYTEST_"))}
    environment |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **variables}
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "convexpy.pytest_plugin", "-p", "no:cacheprovider"]
    return subprocess.run(
        [*command, *options], cwd=folder, env=environment, capture_output=True, text=True, timeout=600
    )


def test_the_fixture_takes_the_server_and_leaves_nothing_on_it(server: str, tmp_path: Path) -> None:
    done = run_pytest(tmp_path, "--convexpy-database", server, CONVEXPY_TEST_DATABASE="postgresql://nowhere:1/x")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("ran on postgresql") == 3
    assert tables(server) == []
    made = re.findall(rf"\b{PREFIX}\w+", done.stdout)
    assert len(set(made)) == 4  # three databases, and one template
    assert not test_databases() & set(made)


def test_the_environment_names_the_server_else_tests_run_on_sqlite(
    pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(TEST_DATABASE, raising=False)
    assert server_url(pytestconfig) is None
    for given, expected in (("", None), ("sqlite://", None), ("postgresql://host", "postgresql://host")):
        monkeypatch.setenv(TEST_DATABASE, given)
        assert server_url(pytestconfig) == expected
    monkeypatch.setenv(TEST_DATABASE, "sqlite:///one-file-for-all-tests.db")
    with pytest.raises(pytest.UsageError, match="is the URL of a PostgreSQL server"):
        server_url(pytestconfig)
