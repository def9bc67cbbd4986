"""The steps of a plan, applied: tables follow the models, or nothing changes."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import (
    Column,
    DateTime,
    Engine,
    Enum,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    func,
    inspect,
    text,
)

from convexpy.errors import DatabaseError
from convexpy.migrations.apply import apply
from convexpy.migrations.dev_sync import SyncResult, sync_tables
from convexpy.migrations.plan import Plan, plan

from .databases import everything, made_with, never, rows, run, yes
from .schemas import Colour, all_types, note, orders


def test_several_columns_of_all_sorts_may_come_at_once(database: Engine) -> None:
    made_with(database, orders(), "INSERT INTO orders VALUES (1)")
    grown = orders(
        Column("number", String(5), unique=True),
        Column("status", Enum(Colour), server_default="RED", nullable=False),
        Column("made", DateTime, server_default=func.now(), nullable=False),
        Column("parent", ForeignKey("orders.id"), index=True),
        Column("slug", String, index=True, unique=True),
    )

    sync_tables(database, grown, never)

    assert not plan(database, grown)
    [row] = rows(database)
    assert (row["status"], row["parent"]) == ("RED", None)
    assert row["made"] is not None


def test_tables_that_refer_to_each_other_are_made_together(database: Engine) -> None:
    metadata = MetaData()
    Table(
        "a",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("b", ForeignKey("b.id", use_alter=True, name="ab")),
    )
    Table("b", metadata, Column("id", Integer, primary_key=True), Column("a", ForeignKey("a.id")))

    sync_tables(database, metadata, never)

    assert not plan(database, metadata)


def test_indexes_come_and_go_without_a_question(database: Engine) -> None:
    where = text("note IS NOT NULL")
    plain = orders(note())
    indexed = orders(column := note(), Index("by_note", column, sqlite_where=where, postgresql_where=where))
    made_with(database, plain)

    assert sync_tables(database, indexed, never).done == ["add index by_note on orders (note)"]
    assert not plan(database, indexed)
    assert sync_tables(database, plain, never).done == ["drop index by_note of orders"]
    assert not plan(database, plain)


def test_indexes_on_expressions_come_and_go_too(database: Engine) -> None:
    plain = orders(note())
    indexed = orders(column := note(), Index("by_lower_note", func.lower(column)))
    made_with(database, plain)

    sync_tables(database, indexed, never)
    assert not plan(database, indexed)
    assert sync_tables(database, plain, never).done == ["drop index by_lower_note of orders"]
    assert not plan(database, plain)


def test_unique_constraints_come_and_go_even_without_a_name(database: Engine) -> None:
    plain, unique = orders(note()), orders(Column("note", String(20), unique=True))
    made_with(database, plain)

    assert sync_tables(database, unique, never).done == ["add unique constraint on orders (note)"]
    assert not plan(database, unique)
    assert sync_tables(database, plain, never).done == ["drop unique constraint on orders (note)"]
    assert not plan(database, plain)


def test_a_unique_constraint_that_a_table_was_made_with_can_go_as_well(database: Engine) -> None:
    made_with(database, orders(Column("note", String(20), unique=True)), "INSERT INTO orders VALUES (1, 'x')")

    sync_tables(database, orders(note()), never)
    run(database, "INSERT INTO orders VALUES (2, 'x')")

    assert len(rows(database)) == 2


def test_foreign_keys_come_and_go(database: Engine) -> None:
    plain = orders(Column("parent", Integer))
    keyed = orders(Column("parent", Integer, ForeignKey("orders.id", ondelete="SET NULL")))
    made_with(database, plain, "INSERT INTO orders VALUES (1, NULL), (2, 1)")

    assert sync_tables(database, keyed, never).done == ["add foreign key orders (parent) to orders.id"]
    assert not plan(database, keyed)
    assert sync_tables(database, plain, never).done == ["drop foreign key orders (parent)"]
    assert not plan(database, plain)


def test_tables_that_refer_to_each_other_go_together(database: Engine) -> None:
    metadata = orders()
    Table("items", metadata, Column("id", Integer, primary_key=True), Column("order", ForeignKey("orders.id")))
    made_with(database, metadata, "INSERT INTO orders VALUES (1)", "INSERT INTO items VALUES (1, 1)")

    sync_tables(database, MetaData(), yes)

    assert {"orders", "items"}.isdisjoint(inspect(database).get_table_names())


def test_a_table_is_dropped_whether_it_refers_or_is_referred_to(database: Engine) -> None:
    def buyers_and_orders(*more: Any) -> MetaData:
        metadata = orders(*more)
        Table("items", metadata, Column("id", Integer, primary_key=True), Column("order", ForeignKey("orders.id")))
        Table("buyers", metadata, Column("id", Integer, primary_key=True))
        return metadata

    made_with(database, buyers_and_orders(Column("buyer", ForeignKey("buyers.id"))))
    run(
        database, "INSERT INTO buyers VALUES (1)", "INSERT INTO orders VALUES (1, 1)", "INSERT INTO items VALUES (1, 1)"
    )

    sync_tables(database, orders(), yes)

    assert {"items", "buyers"}.isdisjoint(inspect(database).get_table_names())
    assert rows(database) == [{"id": 1}]


def test_a_server_default_may_change_and_go(database: Engine) -> None:
    made_with(database, orders(note()))
    with_default = orders(Column("note", String(20), server_default="x"))

    assert sync_tables(database, with_default, never).done == ["change the server_default of orders.note"]
    run(database, "INSERT INTO orders (id) VALUES (1)")
    assert sync_tables(database, orders(note()), never).done == ["drop the server_default of orders.note"]

    assert rows(database) == [{"id": 1, "note": "x"}]


def test_models_with_every_type_are_in_step_once_they_are_made(database: Engine) -> None:
    metadata = all_types(database.dialect.name)

    sync_tables(database, metadata, never)

    assert plan(database, metadata) == Plan()
    assert sync_tables(database, metadata, never) == SyncResult()


def test_a_step_that_fails_leaves_the_database_as_it_was(sqlite_database: Engine) -> None:
    made_with(
        sqlite_database, orders(note(), Column("total", Integer)), "INSERT INTO orders VALUES (1, 'x', 1), (2, 'y', 1)"
    )
    before = everything(sqlite_database)
    # Both rows get the same default, so the constraint cannot hold; that shows only when it is tried.
    grown = orders(note(), Column("slug", String, default="s", nullable=False, unique=True))
    Table("items", grown, Column("id", Integer, primary_key=True))

    with pytest.raises(
        DatabaseError, match=r"could not add column orders.slug.*UNIQUE constraint failed: orders.slug\. No"
    ):
        sync_tables(sqlite_database, grown, yes)

    assert everything(sqlite_database) == before


def test_steps_of_a_plan_can_be_applied_one_by_one(database: Engine) -> None:
    made_with(database, orders())
    grown = orders(note(), Column("total", Integer))

    first, second = plan(database, grown).safe
    apply(database, [first])
    assert [step.description for step in plan(database, grown).safe] == [second.description]
    apply(database, [second])

    assert not plan(database, grown)
