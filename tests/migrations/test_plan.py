"""What a plan does with the rows that are there: safe steps, lossy ones, refusals."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Engine,
    Enum,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    true,
)

from convexpy.errors import DatabaseError
from convexpy.migrations.dev_sync import sync_tables
from convexpy.migrations.plan import plan

from .databases import made_with, never, no, rows, run, yes
from .schemas import Colour, note, orders


def test_a_not_null_column_with_a_server_default_is_filled_by_the_database(database: Engine) -> None:
    made_with(database, orders(), "INSERT INTO orders VALUES (1)")

    sync_tables(database, orders(Column("paid", Boolean, server_default=true(), nullable=False)), never)

    assert [bool(row["paid"]) for row in rows(database)] == [True]


def test_a_not_null_column_with_a_plain_default_is_filled_with_it(database: Engine) -> None:
    made_with(database, orders(), "INSERT INTO orders VALUES (1), (2)")
    grown = orders(Column("status", Enum(Colour), default=Colour.GREEN, nullable=False))

    outcome = sync_tables(database, grown, never)

    assert outcome.done == ["add column orders.status, with <Colour.GREEN: 2> in 2 rows"]
    assert [row["status"] for row in rows(database)] == ["GREEN", "GREEN"]
    assert not plan(database, grown)


def test_filling_a_new_column_does_not_look_like_an_update_by_the_app(database: Engine) -> None:
    def changed() -> Column[int]:
        return Column("changed", Integer, onupdate=lambda: 99)

    made_with(database, orders(changed()), "INSERT INTO orders VALUES (1, 5)")

    sync_tables(database, orders(changed(), Column("kind", String, default="x", nullable=False)), never)

    assert rows(database) == [{"id": 1, "changed": 5, "kind": "x"}]


def test_a_not_null_column_that_nothing_can_fill_is_refused(database: Engine) -> None:
    made_with(database, orders(), "INSERT INTO orders VALUES (1), (2)")
    grown = orders(note(), Column("total", Integer, nullable=False))

    with pytest.raises(DatabaseError) as caught:
        sync_tables(database, grown, never)

    assert str(caught.value) == (
        "the tables cannot follow the models:\n"
        "- cannot add column orders.total: it is NOT NULL, and orders has 2 rows that would have no value. "
        "Make it nullable, or give it a server_default, or a plain default"
    )
    assert rows(database) == [{"id": 1}, {"id": 2}]


def test_a_not_null_column_is_no_problem_for_an_empty_table(database: Engine) -> None:
    made_with(database, orders())

    outcome = sync_tables(database, orders(Column("total", Integer, nullable=False)), never)

    assert outcome.done == ["add column orders.total"]


@pytest.mark.parametrize("unique", [{"unique": True}, {"unique": True, "index": True}])
def test_rows_that_are_not_unique_are_named(database: Engine, unique: dict[str, bool]) -> None:
    made_with(database, orders(note()), "INSERT INTO orders VALUES (1, 'a'), (2, 'b'), (3, 'b'), (4, NULL), (5, NULL)")

    with pytest.raises(DatabaseError, match=r"2 rows of orders have note = 'b', perhaps others too\. Change or remove"):
        sync_tables(database, orders(Column("note", String(20), **unique)), never)


def test_questions_come_in_the_same_order_every_time(database: Engine) -> None:
    names = ["e", "a", "d", "b", "c"]
    made_with(
        database, orders(*(Column(name, Integer) for name in names)), "INSERT INTO orders VALUES (1, 2, 3, 4, 5, 6)"
    )

    left = sync_tables(database, orders(), no).left

    assert left == [f"drop column orders.{name} (1 row has a value)" for name in sorted(names)]


def test_a_not_null_column_that_stays_does_not_stop_new_rows(database: Engine) -> None:
    made_with(database, orders(Column("note", String, nullable=False)), "INSERT INTO orders VALUES (1, 'x')")

    sync_tables(database, orders(), no)
    run(database, "INSERT INTO orders (id) VALUES (2)")

    assert rows(database) == [{"id": 1, "note": "x"}, {"id": 2, "note": None}]


def test_a_column_without_any_value_goes_without_a_question(database: Engine) -> None:
    made_with(database, orders(note()), "INSERT INTO orders VALUES (1, NULL)")

    assert sync_tables(database, orders(), never).done == ["drop column orders.note, where no row has a value"]


def test_a_column_that_looks_renamed_comes_with_a_hint(database: Engine) -> None:
    made_with(database, orders(note()), "INSERT INTO orders VALUES (1, 'x')")
    renamed = orders(Column("remark", String(20)))

    outcome = sync_tables(database, renamed, no)
    assert outcome.left == [
        "drop column orders.note (1 row has a value). If it was renamed to remark: say no, "
        "run UPDATE orders SET remark = note, and say yes the next time"
    ]
    run(database, "UPDATE orders SET remark = note")
    sync_tables(database, renamed, yes)

    assert rows(database) == [{"id": 1, "remark": "x"}]


def test_a_not_null_column_that_looks_renamed_comes_with_a_hint(database: Engine) -> None:
    made_with(database, orders(note()), "INSERT INTO orders VALUES (1, 'x')")
    renamed = orders(Column("remark", String(20), nullable=False))

    with pytest.raises(
        DatabaseError, match=r"if it is note renamed, run (ALTER TABLE orders RENAME COLUMN note TO rem.*)"
    ):
        sync_tables(database, renamed, never)
    run(database, "ALTER TABLE orders RENAME COLUMN note TO remark")
    sync_tables(database, renamed, never)

    assert rows(database) == [{"id": 1, "remark": "x"}]


def test_a_table_that_looks_renamed_comes_with_a_hint(database: Engine) -> None:
    made_with(database, orders(note()), "INSERT INTO orders VALUES (1, 'x')")
    renamed = MetaData()
    Table("purchases", renamed, Column("id", Integer, primary_key=True), note())

    [left] = sync_tables(database, renamed, no).left
    assert left.startswith(
        "drop table orders (1 row). If it was renamed to purchases: say no, run INSERT INTO purchases"
    )
    run(database, left.split("run ")[1].split(", and say")[0])
    sync_tables(database, renamed, yes)

    assert rows(database, "SELECT * FROM purchases") == [{"id": 1, "note": "x"}]


def test_null_is_allowed_without_a_question(database: Engine) -> None:
    made_with(database, orders(Column("note", String(20), nullable=False)))

    assert sync_tables(database, orders(note()), never).done == ["allow NULL in orders.note"]


def test_null_is_forbidden_without_a_question_where_no_row_has_one(database: Engine) -> None:
    made_with(database, orders(note()), "INSERT INTO orders VALUES (1, 'x')")

    outcome = sync_tables(database, orders(Column("note", String(20), nullable=False)), never)

    assert outcome.done == ["forbid NULL in orders.note"]


def test_null_is_replaced_by_a_default_only_after_a_question(database: Engine) -> None:
    made_with(database, orders(note()), "INSERT INTO orders VALUES (1, NULL), (2, 'x')")
    strict = orders(Column("note", String(20), nullable=False, default="-"))

    assert sync_tables(database, strict, no).left == ["forbid NULL in orders.note, with '-' in 1 row"]
    sync_tables(database, strict, yes)

    assert [row["note"] for row in rows(database)] == ["-", "x"]
    assert not plan(database, strict)


def test_null_that_nothing_can_replace_is_refused_with_the_ways_out(database: Engine) -> None:
    made_with(database, orders(note()), "INSERT INTO orders VALUES (1, NULL)")

    with pytest.raises(
        DatabaseError, match=r"cannot forbid NULL in orders.note: 1 row has no value there\. Keep it nullab"
    ):
        sync_tables(database, orders(Column("note", String(20), nullable=False)), never)


@pytest.mark.parametrize(("old", "new"), [(String(5), String(9)), (String(5), Text()), (SmallInteger(), BigInteger())])
def test_a_wider_type_needs_no_question(database: Engine, old: Any, new: Any) -> None:
    made_with(database, orders(Column("it", old)), "INSERT INTO orders VALUES (1, '5')")

    sync_tables(database, orders(Column("it", new)), never)

    assert not plan(database, orders(Column("it", new)))


@pytest.mark.parametrize(("old", "new"), [(String(9), String(5)), (Text(), String(5)), (BigInteger(), SmallInteger())])
def test_a_narrower_type_needs_a_question(database: Engine, old: Any, new: Any) -> None:
    made_with(database, orders(Column("it", old)), "INSERT INTO orders VALUES (1, '5')")

    [left] = sync_tables(database, orders(Column("it", new)), no).left

    assert left.startswith("change the type of orders.it from ")


def test_a_type_that_may_lose_something_needs_a_question(database: Engine) -> None:
    made_with(database, orders(note()), "INSERT INTO orders VALUES (1, '12')")
    numbers = orders(Column("note", Integer))

    assert sync_tables(database, numbers, no).left == [
        "change the type of orders.note from VARCHAR(20) to INTEGER (1 row has a value)"
    ]
    sync_tables(database, numbers, yes)

    assert rows(database) == [{"id": 1, "note": 12}]


def test_a_primary_key_is_not_changed(database: Engine) -> None:
    made_with(database, orders(note()))

    with pytest.raises(DatabaseError, match=r"cannot change the primary key of orders from .id. to .id, year.\. Drop"):
        sync_tables(database, orders(note(), Column("year", Integer, primary_key=True)), never)
