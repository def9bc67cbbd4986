"""The statements that run all day are index scans, whatever the tables hold: SQLite's own plan says so."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection, event

from convexpy import JobId, Settings
from convexpy.database import crons, history, jobs
from convexpy.database.engine import connect
from convexpy.database.jobs import Claim, NewJob
from convexpy.database.migrate import migrate

NOW = datetime(2030, 1, 7, 12, tzinfo=UTC)
JOB = JobId("0" * 32)
CLAIM = Claim(JOB, "token", "f:f", "mutation", "{}", 1, NOW, None, 0)
OWN_TABLES = ("_scheduled_functions", "_convexpy_queue", "_convexpy_finished", "_convexpy_crons")


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    database = connect(f"sqlite:///{tmp_path / 'plans.db'}", Settings())
    with database.write() as held:
        migrate(held.connection)
        held.commit()
    with database.write() as held:
        yield held.connection
    database.close()


def plans(connection: Connection, statements: list[tuple[str, object]]) -> list[str]:
    """What SQLite would do for each statement, one line a step."""
    driver = connection.connection.driver_connection
    assert driver is not None
    found = []
    for statement, parameters in statements:
        rows = driver.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
        found += [row[3] for row in rows]
    return found


MOVES = {
    "insert": lambda c: jobs.insert_jobs(c, [NewJob(JOB, "f:f", "mutation", "{}", NOW)], NOW),
    "next due": lambda c: jobs.next_due(c),
    "claim": lambda c: jobs.claim_jobs(c, "mutation", "worker", "token", NOW, 10),
    "take": lambda c: jobs.take(c, CLAIM),
    "start": lambda c: jobs.start(c, CLAIM, "run", NOW),
    "finish taken": lambda c: jobs.finish_taken(c, CLAIM, None, NOW),
    "finish started": lambda c: jobs.finish_started(c, JOB, "run", None, NOW),
    "release": lambda c: jobs.release(c, CLAIM, "error", NOW),
    "unclaim": lambda c: jobs.unclaim_all(c, "worker", "token"),
    "cancel": lambda c: jobs.cancel(c, JOB, NOW),
    "rescue": lambda c: jobs.rescue(c, "worker", NOW, Settings()),
    "has old": lambda c: jobs.has_old(c, NOW),
    "prune": lambda c: jobs.prune(c, NOW, 1000),
    "status": lambda c: history.find_job(c, JOB),
    "list": lambda c: history.list_jobs(c),
    "list pending": lambda c: history.list_jobs(c, "pending"),
    "list running": lambda c: history.list_jobs(c, "inProgress"),
    "list failed": lambda c: history.list_jobs(c, "failed"),
    "list by name": lambda c: history.list_jobs(c, None, "f:f"),
    "list by cron": lambda c: history.list_jobs(c, None, None, "nightly"),
    "next slot": lambda c: crons.next_slot(c),
    "due crons": lambda c: crons.due_crons(c, NOW),
    "advance": lambda c: crons.advance(c, "nightly", NOW, NOW),
}


@pytest.mark.parametrize("move", MOVES)
def test_no_move_of_a_job_and_no_list_scans_a_table(move: str, connection: Connection) -> None:
    jobs.insert_jobs(connection, [NewJob(JobId("1" * 32), "f:f", "mutation", "{}", NOW)], NOW)
    statements: list[tuple[str, object]] = []

    @event.listens_for(connection, "before_cursor_execute")
    def note(connection: Connection, cursor: object, statement: str, parameters: object, *rest: object) -> None:
        many = isinstance(parameters, list)
        statements.append((statement, parameters[0] if many else parameters))  # type: ignore[index]

    MOVES[move](connection)
    event.remove(connection, "before_cursor_execute", note)
    assert statements
    steps = plans(connection, statements)
    scans = [step for step in steps if step.startswith("SCAN") and "INDEX" not in step and "CONSTANT" not in step]
    assert scans == []
