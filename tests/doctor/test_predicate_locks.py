"""A server that runs out of predicate locks: the number that the doctor warns by, and what becomes of mutations."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from convexpy import Convex, MutationCtx, Settings, mutation
from convexpy.database.postgres.serializable_limit import SLOTS_PER_BACKEND, count_slots

from .conftest import Database

READS = 8
ROWS = 20_000


@mutation
def read_and_write(ctx: MutationCtx) -> int:
    for number in range(1000, 2000, 20):  # which nobody else reads
        ctx.db.execute(text("SELECT padding FROM wide WHERE id = :id"), {"id": number})
    ctx.db.execute(text("UPDATE wide SET padding = 'written' WHERE id = 2"))
    return 1


@pytest.fixture
def wide(bad: Database) -> Iterator[Database]:
    """A table with many pages."""
    with bad.connect() as connection:
        connection.execute("DROP TABLE IF EXISTS wide")
        connection.execute("CREATE TABLE wide (id int PRIMARY KEY, padding text)")
        connection.execute(f"INSERT INTO wide SELECT n, repeat('x', 100) FROM generate_series(1, {ROWS}) AS n")
        connection.execute("ANALYZE wide")
    yield bad
    with bad.connect() as connection:
        connection.execute("DROP TABLE wide")


def exhaust(connection: psycopg.Connection[Any]) -> int:
    """Read other rows in each serializable transaction until there is no lock left. How many rows had one."""
    for number in range(ROWS // READS):
        # Far apart: a page of which one transaction reads several rows gets one lock for all of them.
        ids = range(number + 1, ROWS, ROWS // READS)
        reads = "".join(f"SELECT padding FROM wide WHERE id = {each};" for each in ids)
        try:
            connection.execute(f"BEGIN ISOLATION LEVEL SERIALIZABLE; SET LOCAL enable_seqscan = off; {reads} COMMIT")
        except psycopg.errors.OutOfMemory:
            connection.execute("ROLLBACK")
            return number * READS
    raise AssertionError("there were locks for all")


def hold_open(connection: psycopg.Connection[Any]) -> None:
    connection.execute("BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT 1 FROM wide WHERE id = 1; CREATE TABLE held ()")


def test_the_locks_run_out_where_the_doctor_says(wide: Database) -> None:
    with wide.connect() as slow, wide.connect() as quick:
        settings = dict(quick.execute("SELECT name, setting FROM pg_settings").fetchall())  # type: ignore[arg-type]
        locks = int(settings["max_pred_locks_per_transaction"]) * count_slots(settings) // SLOTS_PER_BACKEND
        hold_open(slow)
        assert 0.8 * locks < exhaust(quick) <= 1.1 * locks
        slow.execute("ROLLBACK")


def test_a_mutation_that_gets_no_lock_is_tried_again_until_it_does(wide: Database) -> None:
    settings = Settings(retry_first=0.01, retry_longest=0.05, mutation_retries=10_000)  # type: ignore[arg-type]
    with closing(
        Convex(wide.url.render_as_string(hide_password=False), functions=sys.modules[__name__], settings=settings)
    ) as convex:
        convex.migrate()
        failed = threading.Event()
        with wide.connect() as slow, wide.connect() as quick:
            hold_open(slow)
            exhaust(quick)
            result: list[int] = []
            convex.calls.transactions.conflicts.failed = lambda *_: failed.set()  # type: ignore[method-assign]
            running = threading.Thread(target=lambda: result.append(convex.run(read_and_write)))
            running.start()
            assert failed.wait(30)
            slow.execute("ROLLBACK")
            running.join()
        assert result == [1]
