"""Purging beside other workers that purge, and beside an open transaction, for which a server keeps deleted rows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import URL, Connection

from convexpy import Convex, MutationCtx, mutation
from convexpy.database.retention import PURGE, purge_jobs
from convexpy.dispatch import retention as purging

from .conftest import execute, rows

MANY = 10_000
BATCH = 1_000
LEFT = "SELECT (SELECT count(*) FROM _scheduled_functions), (SELECT count(*) FROM _convexpy_finished)"


@mutation
def work(ctx: MutationCtx) -> None:
    """Nothing to do."""


def fill(url: URL, many: int) -> None:
    """So many jobs that ended eight days ago, and one that ended yesterday."""
    execute(
        url,
        f"""
        INSERT INTO _scheduled_functions
            (id, name, kind, args, scheduled_time, state_kind, completed_time, attempts)
        SELECT md5(n::text), 'test_purge:work', 'mutation', '{{}}', ended, 'success', ended, 1
        FROM (SELECT n, now() - interval '8 days' + n * interval '1 millisecond' AS ended
              FROM generate_series(1, {many}) n) AS old
        UNION ALL SELECT md5('new'), 'test_purge:work', 'mutation', '{{}}', yesterday, 'success', yesterday, 1
        FROM (SELECT now() - interval '1 day' AS yesterday) AS new
        """,
    )
    execute(url, "INSERT INTO _convexpy_finished SELECT state_kind, completed_time, id FROM _scheduled_functions")


def test_beside_an_open_transaction_the_last_batch_is_as_fast_as_the_first(
    near: Convex, url: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(url, MANY)
    read: list[int] = []

    def explained(connection: Connection, end: str, *given: Any) -> tuple[int, datetime]:
        if end == "success":
            read.append(pages_of_the_search(connection, end, *given))
        return purge_jobs(connection, end, *given)

    monkeypatch.setattr(purging, "purge_jobs", explained)
    with psycopg.connect(url.set(drivername="postgresql").render_as_string(hide_password=False)) as another_client:
        another_client.execute("SELECT pg_current_xact_id()")
        while near.worker.retention.purge():
            pass
    assert rows(url, LEFT) == [(1, 1)]
    assert len(read) == MANY // BATCH + 1
    assert max(read[1:-1]) <= 2 * read[0], read


def pages_of_the_search(connection: Connection, *given: Any) -> int:
    """How many pages the search for old jobs reads. It is rolled back."""
    compiled = PURGE.clause.compile(dialect=connection.dialect)
    values = compiled.construct_params(dict(zip(("end", "after", "before", "limit"), given, strict=True)))
    driver: Any = connection.connection.driver_connection
    driver.execute("SAVEPOINT explained")
    plan = driver.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {compiled}", values).fetchone()[0][0]["Plan"]
    driver.execute("ROLLBACK TO explained")
    (search,) = (step for step in steps(plan) if step.get("Index Name") == "_convexpy_finished_pkey")
    return int(search["Shared Hit Blocks"]) + int(search["Shared Read Blocks"])


def steps(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from steps(part)


def test_what_another_worker_is_purging_is_skipped(near: Convex, url: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(url, 5)
    monkeypatch.setattr(purging, "BATCH", 3)
    before = near.clock.now() - timedelta(days=7)
    with near.database.write_internal() as other:
        assert purge_jobs(other, "success", purging.LONG_AGO, before, 3)[0] == 3
        began = time.monotonic()
        while near.worker.retention.purge():
            pass
        assert time.monotonic() - began < 1
        assert rows(url, LEFT) == [(4, 4)]
    assert rows(url, LEFT) == [(1, 1)]
