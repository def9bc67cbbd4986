"""What a call leaves on its connection, no later call meets: settings, locks, temporary tables, attached files."""

from __future__ import annotations

from typing import Any

import pytest
from app.models import Note
from sqlalchemy import func, select, text

from convexpy import MutationCtx, QueryCtx, mutation, query
from convexpy.testing import ConvexTest


@mutation
def execute(ctx: MutationCtx, statements: list[str]) -> None:
    for statement in statements:
        ctx.db.execute(text(statement))


@query
def execute_in_a_query(ctx: QueryCtx, statements: list[str]) -> None:
    for statement in statements:
        ctx.db.execute(text(statement))


@mutation
def read(ctx: MutationCtx, statement: str) -> Any:
    return [list(row) for row in ctx.db.execute(text(statement))]


@query
def read_in_a_query(ctx: QueryCtx, statement: str) -> Any:
    return [list(row) for row in ctx.db.execute(text(statement))]


@mutation
def write(ctx: MutationCtx, text: str) -> None:
    ctx.db.add(Note(text=text))


on_postgres = pytest.mark.parametrize("database", ["postgres"], indirect=True)
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


LOCKS = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database"
LOCKS += " WHERE datname = current_database())"
GRANT = "GRANT ALL ON ALL TABLES IN SCHEMA public TO pg_monitor"  # the framework's statements have that role too
LEAK = "CREATE FUNCTION leak() RETURNS text LANGUAGE sql AS $$ SELECT set_config('app.tenant', 'first', false) $$"
ON_POSTGRES: dict[str, tuple[list[str], str]] = {
    "search path": (["SET search_path = pg_catalog, public"], "SHOW search_path"),
    "in other words": (["-- a comment\nset session SEARCH_PATH to pg_catalog, public"], "SHOW search_path"),
    "set_config": (
        ["SELECT set_config('app.tenant', 'first', false)"],
        "SELECT coalesce(current_setting('app.tenant', true), '')",
    ),
    "set_config in a function of the server": (
        [LEAK, "SELECT leak()"],
        "SELECT coalesce(current_setting('app.tenant', true), '')",
    ),
    "set_config in a DO block": (
        ["DO $$ BEGIN PERFORM set_config('app.tenant', 'first', false); END $$"],
        "SELECT coalesce(current_setting('app.tenant', true), '')",
    ),
    "time zone": (["SET TIME ZONE 'Asia/Tokyo'"], "SHOW TimeZone"),
    "statement timeout": (["SET work_mem = '1MB'"], "SHOW work_mem"),
    "characteristics": (
        ["SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"],
        "SHOW default_transaction_read_only",
    ),
    "role": ([GRANT, "SET ROLE pg_monitor"], "SELECT current_user"),
    "session authorization": ([GRANT, "SET SESSION AUTHORIZATION pg_monitor"], "SELECT session_user"),
    "advisory lock": (["SELECT pg_advisory_lock(7)"], LOCKS),
    "shared advisory lock": (["SELECT pg_try_advisory_lock_shared(7, 8)"], LOCKS),
    "temporary table": (["CREATE TEMP TABLE drafts (id int)"], "SELECT to_regclass('drafts')::text"),
    "select into": (["SELECT 1 AS id INTO TEMPORARY drafts"], "SELECT to_regclass('drafts')::text"),
    "temporary view": (["CREATE OR REPLACE TEMP VIEW drafts AS SELECT 1"], "SELECT to_regclass('drafts')::text"),
    "prepared statement": (
        ["PREPARE one AS SELECT 1"],
        "SELECT count(*) FROM pg_prepared_statements WHERE from_sql",
    ),
    "cursor": (
        ["DECLARE one CURSOR WITH HOLD FOR SELECT 1"],
        "SELECT count(*) FROM pg_cursors WHERE is_holdable",
    ),
    "listen": (["LISTEN one"], "SELECT count(*) FROM pg_listening_channels()"),
}


@on_postgres
@pytest.mark.parametrize("what", ON_POSTGRES)
def test_a_session_of_postgres_is_clean_for_the_next_call(convex: ConvexTest, what: str) -> None:
    statements, look = ON_POSTGRES[what]
    before = convex.run(read, statement=look)
    convex.run(execute, statements=statements)
    assert convex.run(read, statement=look) == before
    assert convex.run(read_in_a_query, statement=look) == before
    convex.run(write, text="works")


@on_postgres
def test_a_lock_that_a_query_took_is_released(convex: ConvexTest) -> None:
    convex.run(execute_in_a_query, statements=["SELECT pg_advisory_lock(7)"])
    assert convex.run(read_in_a_query, statement=LOCKS) == [[0]]


@mutation
def lock_by_function(ctx: MutationCtx) -> None:
    ctx.db.execute(select(func.pg_advisory_lock(7)))
    ctx.db.connection().exec_driver_sql("CREATE TEMP TABLE drafts (id int)")


@on_postgres
def test_what_sqlalchemy_writes_itself_counts_as_well(convex: ConvexTest) -> None:
    convex.run(lock_by_function)
    assert convex.run(read, statement=LOCKS) == [[0]]
    assert convex.run(read, statement="SELECT to_regclass('drafts')::text") == [[None]]


@mutation
def backend(ctx: MutationCtx, statements: list[str]) -> int:
    for statement in statements:
        ctx.db.execute(text(statement))
    return int(ctx.db.execute(text("SELECT pg_backend_pid()")).scalar_one())


@on_postgres
@pytest.mark.parametrize(
    "statement",
    [
        "SELECT set_config('app.tenant', 'first', false)",
        "SET LOCAL search_path = public",
        "SELECT pg_advisory_xact_lock(7)",
        "CREATE TEMP TABLE drafts (id int) ON COMMIT DROP",
    ],
)
def test_settings_and_what_ends_with_the_transaction_cost_no_connection(convex: ConvexTest, statement: str) -> None:
    first = convex.run(backend, statements=[statement])
    assert convex.run(backend, statements=[]) == first


ON_SQLITE: dict[str, tuple[list[str], str]] = {
    "checks": (["PRAGMA ignore_check_constraints = ON"], "PRAGMA ignore_check_constraints"),
    "in other words": (["/* a */ ; pragma main.Ignore_Check_Constraints(1)"], "PRAGMA ignore_check_constraints"),
    "recursive triggers": (["PRAGMA recursive_triggers = 1"], "PRAGMA recursive_triggers"),
    "like": (["PRAGMA case_sensitive_like = 1"], "SELECT 'a' LIKE 'A'"),
    "busy timeout": (["PRAGMA busy_timeout = 7"], "PRAGMA busy_timeout"),
    "attached file": (["ATTACH ':memory:' AS other"], "SELECT count(*) FROM pragma_database_list WHERE name = 'other'"),
    "temporary table": (["CREATE TEMP TABLE drafts (id int)"], "SELECT count(*) FROM temp.sqlite_schema"),
    "temporary trigger": (
        ["CREATE TEMPORARY TRIGGER t AFTER INSERT ON main.notes BEGIN DELETE FROM notes; END"],
        "SELECT count(*) FROM temp.sqlite_schema",
    ),
}


@on_sqlite
@pytest.mark.parametrize("what", ON_SQLITE)
def test_a_connection_of_sqlite_is_clean_for_the_next_call(convex: ConvexTest, what: str) -> None:
    statements, look = ON_SQLITE[what]
    before = convex.run(read, statement=look)
    convex.run(execute, statements=statements)
    assert convex.run(read, statement=look) == before
    convex.run(write, text="works")


@on_sqlite
@pytest.mark.parametrize("what", ["checks", "attached file", "like"])
def test_a_connection_that_reads_is_clean_as_well(convex: ConvexTest, what: str) -> None:
    statements, look = ON_SQLITE[what]
    before = convex.run(read_in_a_query, statement=look)
    convex.run(execute_in_a_query, statements=statements)
    assert convex.run(read_in_a_query, statement=look) == before


@mutation
def look_at_a_table(ctx: MutationCtx) -> int:
    ctx.db.execute(text("PRAGMA table_info(notes)"))
    ctx.db.execute(text("PRAGMA page_count"))
    return id(ctx.db.connection().connection.driver_connection)


@on_sqlite
def test_a_look_at_a_table_costs_no_connection(convex: ConvexTest) -> None:
    assert convex.run(look_at_a_table) == convex.run(look_at_a_table)
