"""PostgreSQL's own hole, shown with the driver alone: the number that the doctor warns by is the real one."""

from __future__ import annotations

import pytest

from convexpy.database.postgres.serializable_limit import count_slots

from .conftest import Database

# The two that conflict take a slot each, and one is the server's own.
TAKEN = 3


@pytest.mark.parametrize("ids", [(5, 1900)])
def test_write_skew_commits_when_more_transactions_finish_than_slots_exist(bad: Database, ids: tuple[int, int]) -> None:
    with bad.connect() as connection:
        slots = count_slots(dict(connection.execute("SELECT name, setting FROM pg_settings").fetchall()))  # type: ignore[arg-type]
    assert not both_commit(bad, slots - TAKEN, *ids)
    assert not any("have run out" in finding.seen for finding in bad.findings("serializable"))
    assert both_commit(bad, slots - TAKEN + 1, *ids)
    assert both_commit(bad, slots + 50, *ids)
    (ran_out,) = (finding for finding in bad.findings("serializable") if "have run out" in finding.seen)
    assert ran_out.mark == "risk"


def both_commit(database: Database, between: int, one: int, other: int) -> bool:
    """Two transactions each read a row that the other takes away; many more finish while the first is still open."""
    import psycopg

    with database.connect() as slow, database.connect() as quick, database.connect() as filler:
        filler.execute("DROP TABLE IF EXISTS accounts, others")
        filler.execute("CREATE TABLE accounts (id int PRIMARY KEY, amount int, padding text)")
        filler.execute("INSERT INTO accounts SELECT n, 1, repeat('x', 200) FROM generate_series(1, 2000) AS n")
        filler.execute("CREATE TABLE others (id int PRIMARY KEY, amount int)")
        filler.execute("INSERT INTO others SELECT n, 0 FROM generate_series(1, 2000) AS n")
        filler.execute("ANALYZE accounts, others")
        for connection in (slow, quick, filler):
            connection.execute("SET enable_seqscan = off")
        slow.execute("BEGIN ISOLATION LEVEL SERIALIZABLE")
        slow.execute("SELECT amount FROM accounts WHERE id = %s", (other,))
        quick.execute("BEGIN ISOLATION LEVEL SERIALIZABLE")
        quick.execute("SELECT amount FROM accounts WHERE id = %s", (one,))
        quick.execute("UPDATE accounts SET amount = 0 WHERE id = %s", (other,))
        quick.execute("COMMIT")
        for number in range(between):
            filler.execute("BEGIN ISOLATION LEVEL SERIALIZABLE")
            filler.execute("UPDATE others SET amount = amount + 1 WHERE id = %s", (number % 2000 + 1,))
            filler.execute("COMMIT")
        try:
            slow.execute("UPDATE accounts SET amount = 0 WHERE id = %s", (one,))
            slow.execute("COMMIT")
        except psycopg.errors.SerializationFailure:
            slow.execute("ROLLBACK")
            return False
        return True
