"""Names: a change of case keeps every row, and what a database takes for the same name is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    CheckConstraint,
    Column,
    Engine,
    Enum,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    inspect,
)

from convexpy.errors import DatabaseError
from convexpy.migrations.dev_sync import sync_tables
from convexpy.migrations.framework import migrate
from convexpy.migrations.plan import plan
from convexpy.migrations.revisions import adopt, make_revision, upgrade

from .databases import made_with, never, no, rows, run, yes
from .schemas import Colour, note, orders

LONG = "a_name_that_is_rather_long_and_which_somebody_will_write_one_day"[:60]


def shop(table: str, *columns: str, constraint: str = "once", index: str = "by") -> MetaData:
    """A parent table whose columns are text, with everything that can name a column, and a table that refers to it."""
    metadata = MetaData()
    parent = Table(
        table,
        metadata,
        Column("id", Integer, primary_key=True),
        *(Column(name, String(20), unique=True, nullable=False) for name in columns),
        *(CheckConstraint(f"\"{name}\" <> ''", name=f"{name}_is_not_empty".lower()[-60:]) for name in columns),
        UniqueConstraint("id", *columns, name=constraint),
    )
    Index(index, *(parent.c[name] for name in columns))
    Table("kids", metadata, Column("id", Integer, primary_key=True), Column("parent", ForeignKey(f"{table}.id")))
    return metadata


def fill(database: Engine, table: str, *columns: str) -> None:
    names = ", ".join(f'"{name}"' for name in ("id", *columns))
    values = ", ".join(["1", *(f"'{name.lower()}'" for name in columns)])
    run(database, f'INSERT INTO "{table}" ({names}) VALUES ({values})', "INSERT INTO kids VALUES (7, 1)")


@pytest.mark.parametrize(("old", "new"), [("item", "Item"), ("Order", "order"), ("my Item", "My item")])
def test_a_column_that_changes_its_case_keeps_its_values(database: Engine, old: str, new: str) -> None:
    made_with(database, shop("orders", old, "other"))
    fill(database, "orders", old, "other")

    outcome = sync_tables(database, shop("orders", new, "other"), never)

    assert f"rename column orders.{old} to {new}" in outcome.done
    assert rows(database) == [{"id": 1, new: old.lower(), "other": "other"}]
    assert not plan(database, shop("orders", new, "other"))
    assert sync_tables(database, shop("orders", new, "other"), never).done == []


@pytest.mark.parametrize(("old", "new"), [("orders", "Orders"), ("Group", "group")])
def test_a_table_that_changes_its_case_keeps_its_rows(database: Engine, old: str, new: str) -> None:
    made_with(database, shop(old, "Item"))
    fill(database, old, "Item")

    outcome = sync_tables(database, shop(new, "item"), never)

    assert outcome.done[:2] == [f"rename table {old} to {new}", f"rename column {new}.Item to item"]
    assert rows(database, f'SELECT * FROM "{new}"') == [{"id": 1, "item": "item"}]
    assert rows(database, "SELECT * FROM kids") == [{"id": 7, "parent": 1}]
    assert not plan(database, shop(new, "item"))
    assert set(inspect(database).get_table_names()) & {old, new} == {new}
    # The old name is forgotten: a table that is made under it by hand is not convexpy's.
    assert sync_tables(database, shop(new, "item"), never).done == []


def test_a_renamed_table_can_change_in_other_ways_at_the_same_time(database: Engine) -> None:
    made_with(database, shop("Orders", "Item"))
    fill(database, "Orders", "Item")
    grown = shop("orders", "item")
    grown.tables["orders"].append_column(Column("colour", Enum(Colour), default=Colour.GREEN, nullable=False))

    sync_tables(database, grown, never)

    assert rows(database) == [{"id": 1, "item": "item", "colour": "GREEN"}]
    assert not plan(database, grown)


def test_planning_a_rename_changes_nothing(database: Engine) -> None:
    made_with(database, shop("Orders", "Item"))

    assert [str(step) for step in plan(database, shop("orders", "item")).safe][:1] == ["rename table Orders to orders"]

    assert inspect(database).has_table("Orders")
    assert "orders" not in inspect(database).get_table_names()


def test_a_question_about_something_else_does_not_stop_a_rename(database: Engine) -> None:
    made_with(database, orders(Column("Item", String(20)), note()), "INSERT INTO orders VALUES (1, 'a', 'b')")

    outcome = sync_tables(database, orders(Column("item", String(20))), no)

    assert outcome.done == ["rename column orders.Item to item"]
    assert outcome.left == ["drop column orders.note (1 row has a value)"]
    assert rows(database) == [{"id": 1, "item": "a", "note": "b"}]


def test_indexes_and_constraints_may_change_their_case(database: Engine) -> None:
    made_with(database, shop("orders", "item", constraint="Once", index="By_Item"))
    fill(database, "orders", "item")
    changed = shop("orders", "item", constraint="once", index="by_item")

    sync_tables(database, changed, never)

    assert rows(database) == [{"id": 1, "item": "item"}]
    assert not plan(database, changed)


def test_two_names_that_differ_in_case_only_are_two_on_postgresql(postgresql: Engine) -> None:
    migrate(postgresql)
    both = orders(Column("Item", String(20)), Column("item", String(20)))
    Table("Orders", both, Column("id", Integer, primary_key=True))
    made_with(postgresql, both, "INSERT INTO orders VALUES (1, 'a', 'b')", 'INSERT INTO "Orders" VALUES (5)')

    assert not plan(postgresql, both)
    left = sync_tables(postgresql, orders(Column("item", String(20))), no).left

    assert left == ["drop column orders.Item (1 row has a value)", "drop table Orders (1 row)"]


def test_two_names_that_differ_in_case_only_are_refused_on_sqlite(sqlite_database: Engine) -> None:
    both = orders(Column("Item", String(20)), Column("item", String(20)))
    Table("Orders", both, Column("id", Integer, primary_key=True))

    with pytest.raises(DatabaseError) as caught:
        sync_tables(sqlite_database, both, never)

    assert str(caught.value) == (
        "the columns Item and item of table orders have the same name: SQLite compares names without case. "
        "Rename one of them\n"
        "the tables orders and Orders have the same name: SQLite compares names without case. Rename one of them"
    )


def test_a_table_of_somebody_else_is_not_taken_for_a_model(sqlite_database: Engine) -> None:
    run(sqlite_database, "CREATE TABLE Orders (name TEXT)", "INSERT INTO Orders VALUES ('x')")

    with pytest.raises(DatabaseError, match="the table Orders has the same name, as SQLite compares names"):
        sync_tables(sqlite_database, orders(), yes)

    assert rows(sqlite_database, "SELECT * FROM Orders") == [{"name": "x"}]


@pytest.mark.parametrize(("old", "new"), [("orders", "Orders")])
def test_a_revision_renames_too(engine: Engine, folder: Path, old: str, new: str) -> None:
    make_revision(engine, shop(old, "Item"), folder, "first")
    upgrade(engine, shop(old, "Item"), folder)
    fill(engine, old, "Item")

    second = make_revision(engine, shop(new, "item"), folder, "second")
    upgrade(engine, shop(new, "item"), folder)

    assert second is not None
    text = second.read_text("utf-8")
    assert "add_column" not in text
    assert "create_table" not in text
    assert text.index("new_column_name='item'") < text.index("def downgrade") < text.rindex("new_column_name='Item'")
    assert rows(engine, f'SELECT * FROM "{new}"') == [{"id": 1, "item": "item"}]
    assert rows(engine, "SELECT * FROM kids") == [{"id": 7, "parent": 1}]
    assert not plan(engine, shop(new, "item"))
    assert make_revision(engine, shop(new, "item"), folder, "third") is None


def test_a_database_whose_tables_differ_in_case_is_not_adopted(engine: Engine, folder: Path) -> None:
    migrate(engine)
    made_with(engine, shop("Orders", "Item"))
    make_revision(engine, shop("orders", "item"), folder, "first")

    with pytest.raises(DatabaseError, match="rename table Orders to orders"):
        adopt(engine, shop("orders", "item"), folder)


def test_a_table_in_another_case_is_one_that_no_revision_made(sqlite_database: Engine, folder: Path) -> None:
    run(sqlite_database, "CREATE TABLE Orders (id INTEGER)")
    make_revision(sqlite_database, orders(), folder, "first")

    with pytest.raises(DatabaseError, match=r"has tables already \(Orders\), but no revision made them"):
        upgrade(sqlite_database, orders(), folder)


@pytest.mark.parametrize(("gone", "new"), [("Group", "order"), ('my "own"', "Größe"), ("a:b", "100 euro")])
def test_the_advice_about_a_renamed_column_can_be_run_as_it_is(database: Engine, gone: str, new: str) -> None:
    made_with(database, orders(Column(gone, String(20))))
    with database.begin() as connection:
        connection.execute(orders(Column(gone, String(20))).tables["orders"].insert(), {"id": 1, gone: "x"})
    renamed = orders(Column(new, String(20)))

    [left] = sync_tables(database, renamed, no).left
    run(database, left.split("say no, run ")[1].split(", and say yes")[0])
    sync_tables(database, renamed, yes)

    assert rows(database) == [{"id": 1, new: "x"}]


def test_the_advice_about_a_renamed_table_can_be_run_as_it_is(database: Engine) -> None:
    def named(name: str) -> MetaData:
        metadata = MetaData()
        Table(name, metadata, Column("Id", Integer, primary_key=True), Column("Order", String(20)))
        return metadata

    made_with(database, named("Group"), """INSERT INTO "Group" VALUES (1, 'x')""")

    [left] = sync_tables(database, named("order"), no).left
    run(database, left.split("say no, run ")[1].split(", and say yes")[0])
    sync_tables(database, named("order"), yes)

    assert rows(database, 'SELECT * FROM "order"') == [{"Id": 1, "Order": "x"}]


# PostgreSQL keeps 63 bytes of a name.


def long_models(*more: Any) -> MetaData:
    metadata = MetaData()
    Table(LONG, metadata, Column("id", Integer, primary_key=True), Column(f"{LONG}_1"[-60:], Integer), *more)
    return metadata


def test_names_that_are_made_here_are_as_short_as_the_database_needs(database: Engine) -> None:
    made_with(database, long_models(), f"INSERT INTO {LONG} VALUES (1, 5)")
    grown = long_models(
        Column("a_second_column_with_a_name_of_its_own", Integer, unique=True),
        Column("a_parent_that_is_one_of_these_as_well", ForeignKey(f"{LONG}.id"), index=True),
    )

    sync_tables(database, grown, never)
    assert not plan(database, grown)
    assert len(rows(database, f"SELECT * FROM {LONG}")) == 1

    sync_tables(database, long_models(), never)
    assert not plan(database, long_models())


def test_revisions_make_long_names_as_short_as_the_database_needs(engine: Engine, folder: Path) -> None:
    grown = long_models(
        Column("a_second_column_with_a_name_of_its_own", Integer, unique=True),
        Column("a_parent_that_is_one_of_these_as_well", ForeignKey(f"{LONG}.id"), index=True),
    )
    for number, models in enumerate([long_models(), grown, long_models()]):
        make_revision(engine, models, folder, str(number))
        upgrade(engine, models, folder)
        assert not plan(engine, models)
        assert make_revision(engine, models, folder, "nothing") is None


@pytest.mark.parametrize(
    ("models", "kind"),
    [
        (orders(Column("ä" * 32, Integer)), "the column"),
        (orders(Column("n", Integer), Index("i" * 64, "n")), "the index"),
        (orders(CheckConstraint("id > 0", name="c" * 64)), "the constraint"),
        (orders(Column("ä" * 30, Integer, index=True)), "the index"),
        (orders(Column("e", Enum(Colour, name="t" * 64))), "the type"),
        (shop("o" * 64), "the name"),
    ],
)
def test_a_name_of_which_postgresql_would_keep_a_part_is_refused(
    postgresql: Engine, folder: Path, models: MetaData, kind: str
) -> None:
    migrate(postgresql)

    with pytest.raises(DatabaseError, match=rf"{kind} '.*' is \d\d bytes long, and PostgreSQL keeps 63\. Give it a sh"):
        sync_tables(postgresql, models, never)
    with pytest.raises(DatabaseError, match="PostgreSQL keeps 63"):
        make_revision(postgresql, models, folder, "first")


@pytest.mark.parametrize("length", [62, 63])
def test_the_longest_names_work(database: Engine, length: int) -> None:
    models = shop(("Table" * 20)[:length], ("Column" * 20)[:length], index=("Index" * 20)[:length])

    made_with(database, models)

    assert not plan(database, models)
