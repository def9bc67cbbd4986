"""A table that is changed on SQLite keeps everything."""

from __future__ import annotations

import subprocess
import sys

import pytest
from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    Integer,
    Numeric,
    String,
    Text,
)

from convexpy.errors import DatabaseError
from convexpy.migrations.apply import apply
from convexpy.migrations.dev_sync import sync_tables
from convexpy.migrations.plan import plan

from .databases import everything, made_with, never, rows, yes
from .schemas import all_types, note, orders


def without_order(dump: list[str]) -> list[list[str]]:
    """A dump without the quotes that SQLite adds and the order of what has none, and without what is recorded of it."""
    lines = [line.replace('CREATE TABLE "', "CREATE TABLE ").replace('" (', " (") for line in dump]
    return sorted(
        sorted(part.strip().rstrip(",") for part in line.split("\n"))
        for line in lines
        if "_convexpy_metadata" not in line and "_convexpy_commits" not in line
    )


def test_a_changed_table_keeps_its_rows_and_everything_that_hangs_on_it(sqlite_database: Engine) -> None:
    made_with(
        sqlite_database,
        all_types("sqlite"),
        "INSERT INTO orders (id, number, code, big) VALUES (1, 2, 'abc', 3)",
        "INSERT INTO items VALUES (1, 1)",
        "INSERT INTO tags VALUES ('t', 'n')",
        "CREATE VIEW some AS SELECT * FROM orders",
        "CREATE TRIGGER on_insert AFTER INSERT ON orders BEGIN SELECT 1; END",
    )
    before = everything(sqlite_database)
    [order] = rows(sqlite_database)
    changed = all_types("sqlite")
    changed.tables["orders"].c.price.type = Numeric(12, 4)
    changed.tables["tags"].c.note.type = Text()

    outcome = sync_tables(sqlite_database, changed, never)
    assert len(outcome.done) == 2
    sync_tables(sqlite_database, all_types("sqlite"), yes)

    assert rows(sqlite_database) == [order]
    assert rows(sqlite_database, "SELECT * FROM items") == [{"id": 1, "order": 1}]
    assert without_order(everything(sqlite_database)) == without_order(before)


def test_foreign_keys_are_enforced_again_after_a_change(sqlite_database: Engine) -> None:
    made_with(sqlite_database, orders(note()))

    with sqlite_database.connect() as connection:
        sync_tables(connection, orders(Column("note", String(20), nullable=False)), never)

        assert not connection.in_transaction()
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_a_foreign_key_that_rows_break_is_refused_and_nothing_is_changed(sqlite_database: Engine) -> None:
    made_with(sqlite_database, orders(Column("parent", Integer)), "INSERT INTO orders VALUES (7, 8)")
    before = everything(sqlite_database)

    with pytest.raises(DatabaseError, match="row 7 of orders would refer to a row of orders that does not exist"):
        sync_tables(sqlite_database, orders(Column("parent", Integer, ForeignKey("orders.id")), note()), never)

    assert everything(sqlite_database) == before


def test_a_transaction_that_cannot_rebuild_tables_is_refused(sqlite_database: Engine) -> None:
    made_with(sqlite_database, orders(note()))
    changed = orders(Column("note", String(20), nullable=False))

    with sqlite_database.begin() as connection, pytest.raises(RuntimeError, match="not in a transaction"):
        apply(connection, plan(connection, changed).safe)


def test_alembic_is_patched_by_a_call_and_not_by_an_import() -> None:
    code = """
from alembic.ddl.impl import _impls
from alembic.ddl.sqlite import SQLiteImpl
from convexpy.migrations import sqlite_batch
assert _impls["sqlite"] is SQLiteImpl
sqlite_batch.register()
assert _impls["sqlite"] is sqlite_batch.PatchedSQLiteImpl
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
