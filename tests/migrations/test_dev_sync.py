"""The development database follows the models, and asks before something is lost."""

from __future__ import annotations

import subprocess
import sys

import pytest
from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    inspect,
)
from sqlalchemy.dialects.postgresql import TSVECTOR

from convexpy.database.tables import FRAMEWORK_TABLES
from convexpy.errors import DatabaseError
from convexpy.migrations.dev_sync import SyncResult, fingerprint, sync_tables
from convexpy.migrations.framework import migrate
from convexpy.migrations.plan import Step

from .databases import made_with, never, no, rows, run, yes
from .schemas import note, orders


def test_a_new_table_is_made_without_a_question(database: Engine) -> None:
    outcome = sync_tables(database, orders(note()), never)

    assert outcome == SyncResult(done=["add table orders"], left=[])
    assert [column["name"] for column in inspect(database).get_columns("orders")] == ["id", "note"]


def test_a_new_column_is_made_without_a_question(database: Engine) -> None:
    made_with(database, orders(), "INSERT INTO orders VALUES (1)")

    outcome = sync_tables(database, orders(note()), never)

    assert outcome.done == ["add column orders.note"]
    assert rows(database) == [{"id": 1, "note": None}]


def test_a_column_with_values_goes_only_after_a_question(database: Engine) -> None:
    made_with(database, orders(note()), "INSERT INTO orders VALUES (1, 'x'), (2, NULL)")
    asked: list[str] = []

    outcome = sync_tables(database, orders(), lambda steps: asked.extend(map(str, steps)) or True)  # type: ignore[func-returns-value]

    assert asked == outcome.done == ["drop column orders.note (1 row has a value)"]
    assert rows(database) == [{"id": 1}, {"id": 2}]


def test_a_column_that_shall_stay_stays_and_is_asked_about_again(database: Engine) -> None:
    made_with(database, orders(note()), "INSERT INTO orders VALUES (1, 'x')")

    for _ in range(2):
        outcome = sync_tables(database, orders(), no)
        assert outcome == SyncResult(done=[], left=["drop column orders.note (1 row has a value)"])
    assert rows(database) == [{"id": 1, "note": "x"}]


def test_what_loses_nothing_is_done_even_if_the_answer_is_no(database: Engine) -> None:
    made_with(database, orders(note()), "INSERT INTO orders VALUES (1, 'x')")

    outcome = sync_tables(database, orders(Column("total", Integer)), no)

    assert outcome.done == ["add column orders.total"]
    assert rows(database) == [{"id": 1, "note": "x", "total": None}]


def test_a_table_with_rows_goes_only_after_a_question(database: Engine) -> None:
    made_with(database, orders(), "INSERT INTO orders VALUES (1), (2)")

    assert sync_tables(database, MetaData(), no).left == ["drop table orders (2 rows)"]
    assert sync_tables(database, MetaData(), yes).done == ["drop table orders (2 rows)"]
    assert not inspect(database).has_table("orders")


def test_tables_that_convexpy_did_not_make_are_never_touched(database: Engine) -> None:
    run(
        database, "CREATE TABLE other (id INTEGER)", "CREATE TABLE alembic_version_of_another (version_num VARCHAR(32))"
    )
    before = set(inspect(database).get_table_names())

    sync_tables(database, orders(), never)
    sync_tables(database, MetaData(), never)

    assert set(inspect(database).get_table_names()) == before
    assert before > FRAMEWORK_TABLES


def test_a_dropped_table_that_is_made_again_by_hand_is_left_alone(database: Engine) -> None:
    made_with(database, orders())
    sync_tables(database, MetaData(), never)
    run(database, "CREATE TABLE orders (id INTEGER)", "INSERT INTO orders VALUES (1)")

    assert sync_tables(database, MetaData(), never) == SyncResult()


def test_the_frameworks_tables_are_not_the_users_even_in_the_models(database: Engine) -> None:
    metadata = orders()
    Table("_convexpy_queue", metadata, Column("id", Integer, primary_key=True))

    assert sync_tables(database, metadata, never).done == ["add table orders"]
    assert sync_tables(database, MetaData(), never).done == ["drop table orders, which is empty"]
    assert inspect(database).has_table("_convexpy_queue")


def test_only_what_was_agreed_to_is_lost(database: Engine) -> None:
    made_with(database, orders(note(), Column("total", Integer)), "INSERT INTO orders VALUES (1, 'x', NULL)")

    def write_and_agree(steps: list[Step]) -> bool:
        run(database, "UPDATE orders SET total = 5")
        return True

    outcome = sync_tables(database, orders(), write_and_agree)

    assert outcome == SyncResult(
        done=["drop column orders.note (1 row has a value)"], left=["drop column orders.total (1 row has a value)"]
    )
    assert rows(database) == [{"id": 1, "total": 5}]


def test_when_nothing_has_changed_alembic_is_not_imported(sqlite_database: Engine) -> None:
    made_with(sqlite_database, orders(note()))
    code = """
import sys
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine
from convexpy.migrations.dev_sync import sync_tables
metadata = MetaData()
Table("orders", metadata, Column("id", Integer, primary_key=True), Column("note", String(20)))
assert sync_tables(create_engine(sys.argv[1]), metadata, None).done == []
assert "alembic" not in sys.modules
"""
    finished = subprocess.run([sys.executable, "-c", code, str(sqlite_database.url)], capture_output=True, text=True)

    assert finished.returncode == 0, finished.stderr


def test_a_table_that_was_dropped_by_hand_is_made_again(database: Engine) -> None:
    made_with(database, orders())
    run(database, "DROP TABLE orders")

    assert sync_tables(database, orders(), never).done == ["add table orders"]


def test_a_table_of_another_schema_that_was_dropped_by_hand_is_made_again(postgresql: Engine) -> None:
    migrate(postgresql)
    run(postgresql, "CREATE SCHEMA other")
    models = orders()
    Table("orders", models, Column("id", Integer, primary_key=True), schema="other")
    made_with(postgresql, models)
    run(postgresql, "DROP TABLE other.orders")

    assert sync_tables(postgresql, models, never).done == ["add table other.orders"]


def test_a_column_that_was_added_by_hand_is_noticed(database: Engine) -> None:
    made_with(database, orders(), "ALTER TABLE orders ADD COLUMN extra INTEGER")

    assert sync_tables(database, orders(), never).done == ["drop column orders.extra, where no row has a value"]


@pytest.mark.parametrize(
    "other",
    [
        orders(),
        orders(Column("note", String(21))),
        orders(Column("note", String(20), nullable=False)),
        orders(Column("note", String(20), server_default="x")),
        orders(Column("note", String(20), unique=True)),
        orders(Column("note", String(20), index=True)),
        orders(Column("note", String(20), ForeignKey("orders.id"))),
    ],
)
def test_different_models_have_different_fingerprints(sqlite: Engine, other: MetaData) -> None:
    assert fingerprint(orders(note()), sqlite.dialect) == fingerprint(orders(note()), sqlite.dialect)
    assert fingerprint(orders(note()), sqlite.dialect) != fingerprint(other, sqlite.dialect)


def test_a_database_that_revisions_keep_is_left_to_them(database: Engine) -> None:
    made_with(
        database,
        orders(),
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)",
        "INSERT INTO alembic_version VALUES ('abc')",
    )

    outcome = sync_tables(database, orders(note()), never)

    assert outcome == SyncResult(done=[], left=["add column orders.note"], by_revisions=True)
    assert "note" not in {column["name"] for column in inspect(database).get_columns("orders")}
    assert rows(database, "SELECT * FROM alembic_version") == [{"version_num": "abc"}]


def test_the_frameworks_tables_must_be_there_first(engine: Engine) -> None:
    with pytest.raises(DatabaseError, match="no convexpy tables yet"):
        sync_tables(engine, orders(), never)


def test_a_type_that_the_database_does_not_know_is_named_with_its_table(sqlite_database: Engine) -> None:
    made_with(sqlite_database, orders())

    with pytest.raises(DatabaseError, match=r"table orders cannot be made on sqlite: .*TSVECTOR"):
        sync_tables(sqlite_database, orders(Column("words", TSVECTOR)), never)
