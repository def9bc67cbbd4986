"""The statements that run all day are index scans, whatever the tables hold: the databases' own plans say so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from servers.shared import drop, new_database
from sqlalchemy import Connection

from convexpy import JobId, Settings
from convexpy.database import jobs, workers
from convexpy.database.database import connect
from convexpy.database.jobs import NewJob
from convexpy.database.postgres.begin import GENERIC_PLAN, NO_SCANS
from convexpy.database.types import new_job_id
from convexpy.migrations.framework import migrate

from .moves import MOVES, NOW, OWN_TABLES, statements_of

MANY = 300_000


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    database = connect(f"sqlite:///{tmp_path / 'plans.db'}", Settings())
    with database.ddl() as connection:
        migrate(connection)
    with database.write() as held:
        yield held.connection
    database.close()


def plans(connection: Connection, statements: list[tuple[str, Any]]) -> list[str]:
    """What SQLite would do for each statement, one line a step."""
    driver: Any = connection.connection.driver_connection
    found = []
    for statement, parameters in statements:
        rows = driver.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
        found += [row[3] for row in rows]
    return found


@pytest.mark.parametrize("move", MOVES)
def test_no_move_of_a_job_and_no_list_scans_a_table_on_sqlite(move: str, connection: Connection) -> None:
    jobs.insert_jobs(connection, [NewJob(JobId("1" * 32), "f:f", "mutation", "{}", NOW)], NOW)
    with statements_of(connection) as statements:
        MOVES[move](connection)
    assert statements
    steps = plans(connection, statements)
    fine = "INDEX", "CONSTANT", "SCAN counted"  # the last are the rows of a subquery, up to a limit
    scans = [step for step in steps if step.startswith("SCAN") and not any(word in step for word in fine)]
    assert scans == []


FILL = f"""
    INSERT INTO _convexpy_queue (job_id, kind, due_time, position)
    SELECT md5(n::text), 'mutation', '2035-01-01'::timestamptz + n * interval '1 second', n
    FROM generate_series(1, {MANY}) n;
    INSERT INTO _convexpy_finished (state_kind, completed_time, job_id)
    SELECT 'success', '2030-01-07'::timestamptz - n * interval '1 millisecond', md5(n::text)
    FROM generate_series(1, {MANY}) n;
    INSERT INTO _scheduled_functions (id, name, kind, args, scheduled_time, state_kind, attempts)
    SELECT md5(n::text), 'f:f' || mod(n, 100), 'mutation', '{{}}', '2035-01-01'::timestamptz + n * interval '1 second',
           'pending', 0
    FROM generate_series(1, {MANY // 10}) n;
    INSERT INTO _convexpy_commits (id) SELECT '1' || lpad(n::text, 31, '0') FROM generate_series(1, {MANY // 10}) n;
    ANALYZE _convexpy_queue, _convexpy_finished, _scheduled_functions, _convexpy_commits
"""


@pytest.fixture(scope="module")
def full() -> Iterator[Connection]:
    """Many jobs for later, and as many that are over."""
    url = new_database()
    database = connect(url, Settings())
    with database.ddl() as connection:
        migrate(connection)
        for statement in FILL.split(";"):
            connection.exec_driver_sql(statement)
    with database.ddl() as connection:
        yield connection
    database.close()
    drop(url)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


def explained(connection: Connection, statement: str, parameters: Any, *, begun_with: str = "") -> list[dict[str, Any]]:
    """What PostgreSQL did for a statement, node by node; undone again."""
    driver: Any = connection.connection.driver_connection
    driver.execute(f"SAVEPOINT explained{begun_with}", prepare=False)
    rows = driver.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", parameters).fetchone()
    driver.execute("ROLLBACK TO explained")
    return list(nodes(rows[0][0]["Plan"] if not isinstance(rows[0], str) else json.loads(rows[0])[0]["Plan"]))


@pytest.mark.parametrize("move", MOVES)
def test_nor_on_postgresql_with_many_jobs_later_and_many_over(move: str, full: Connection) -> None:
    with full.begin_nested() as point:
        with statements_of(full) as statements:
            MOVES[move](full)
        point.rollback()
    assert statements
    for statement, parameters in statements:
        if not any(table in statement for table in OWN_TABLES):
            continue
        steps = explained(full, statement, parameters, begun_with=NO_SCANS + GENERIC_PLAN if "purge" in move else "")
        scanned = [step["Node Type"] for step in steps if step.get("Relation Name") in OWN_TABLES]
        assert "Seq Scan" not in scanned or "_convexpy_crons" in statement, statement
        read = steps[0]["Shared Hit Blocks"] + steps[0]["Shared Read Blocks"]
        assert read < 20_000 if move == "purge" else read < 1_000, f"{read} blocks: {statement}"


def test_a_claim_among_many_reads_a_handful_of_pages(full: Connection) -> None:
    with full.begin_nested() as point:
        jobs.insert_jobs(full, [NewJob(new_job_id(), "f:f", "mutation", "{}", NOW) for _ in range(10)], NOW)
        workers.register(full, "worker", NOW, workers.Version(NOW, {}))
        with statements_of(full) as statements:
            assert len(jobs.claim(full, "mutation", "worker", NOW, 10)) == 10
        point.rollback()
        claim = explained(full, *statements[0])
    assert "_convexpy_queue_unclaimed" in {step.get("Index Name") for step in claim}
    assert claim[0]["Shared Hit Blocks"] + claim[0]["Shared Read Blocks"] < 50
