from __future__ import annotations

import enum
import subprocess
import sys
from typing import Any

import pytest
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Date,
    DateTime,
    Engine,
    Enum,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
    Time,
    UniqueConstraint,
    Uuid,
    func,
    inspect,
    text,
    true,
)

from convexpy.database.migrate import migrate
from convexpy.database.table_change import apply
from convexpy.database.table_plan import Plan, Step, plan
from convexpy.database.tables import FRAMEWORK_TABLES
from convexpy.database.types import JobIdType, StoredJSON, Timestamp
from convexpy.database.user_tables import Outcome, fingerprint, keep_in_step
from convexpy.errors import DatabaseError


class Colour(enum.Enum):
    RED = 1
    GREEN = 2


def never(steps: list[Step]) -> bool:
    raise AssertionError(f"a question about {steps}")


def yes(steps: list[Step]) -> bool:
    return True


def no(steps: list[Step]) -> bool:
    return False


def orders(*more: Any, **options: Any) -> MetaData:
    """Models with one table, ``orders``, which has an id and more."""
    metadata = MetaData()
    Table("orders", metadata, Column("id", Integer, primary_key=True), *more, **options)
    return metadata


def note() -> Column[str]:
    return Column("note", String(20))


@pytest.fixture
def database(engine: Engine) -> Engine:
    migrate(engine)
    return engine


@pytest.fixture
def sqlite_database(sqlite: Engine) -> Engine:
    migrate(sqlite)
    return sqlite


def run(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def rows(engine: Engine, query: str = "SELECT * FROM orders ORDER BY id") -> list[dict[str, Any]]:
    with engine.connect() as connection:
        return [dict(row) for row in connection.exec_driver_sql(query).mappings()]


def made_with(engine: Engine, metadata: MetaData, *statements: str) -> None:
    """A database that convexpy has made from these models, and some rows."""
    keep_in_step(engine, metadata, never)
    run(engine, *statements)


def everything(engine: Engine) -> list[Any]:
    """All of a SQLite database: its schema and its rows."""
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        return list(driver.iterdump())


# What is new.


def test_a_new_table_is_made_without_a_question(database: Engine) -> None:
    outcome = keep_in_step(database, orders(note()), never)

    assert outcome == Outcome(done=["add table orders"], left=[])
    assert [column["name"] for column in inspect(database).get_columns("orders")] == ["id", "note"]


def test_a_new_column_is_made_without_a_question(database: Engine) -> None:
    made_with(database, orders(), "INSERT INTO orders VALUES (1)")

    outcome = keep_in_step(database, orders(note()), never)

    assert outcome.done == ["add column orders.note"]
    assert rows(database) == [{"id": 1, "note": None}]


def test_several_columns_of_all_sorts_may_come_at_once(database: Engine) -> None:
    made_with(database, orders(), "INSERT INTO orders VALUES (1)")
    grown = orders(
        Column("number", String(5), unique=True),
        Column("status", Enum(Colour), server_default="RED", nullable=False),
        Column("made", DateTime, server_default=func.now(), nullable=False),
        Column("parent", ForeignKey("orders.id"), index=True),
        Column("slug", String, index=True, unique=True),
    )

    keep_in_step(database, grown, never)

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

    keep_in_step(database, metadata, never)

    assert not plan(database, metadata)


def test_a_not_null_column_with_a_server_default_is_filled_by_the_database(database: Engine) -> None:
    made_with(database, orders(), "INSERT INTO orders VALUES (1)")

    keep_in_step(database, orders(Column("paid", Boolean, server_default=true(), nullable=False)), never)

    assert [bool(row["paid"]) for row in rows(database)] == [True]


def test_a_not_null_column_with_a_plain_default_is_filled_with_it(database: Engine) -> None:
    made_with(database, orders(), "INSERT INTO orders VALUES (1), (2)")
    grown = orders(Column("status", Enum(Colour), default=Colour.GREEN, nullable=False))

    outcome = keep_in_step(database, grown, never)

    assert outcome.done == ["add column orders.status, with <Colour.GREEN: 2> in 2 rows"]
    assert [row["status"] for row in rows(database)] == ["GREEN", "GREEN"]
    assert not plan(database, grown)


def test_filling_a_new_column_does_not_look_like_an_update_by_the_app(database: Engine) -> None:
    def changed() -> Column[int]:
        return Column("changed", Integer, onupdate=lambda: 99)

    made_with(database, orders(changed()), "INSERT INTO orders VALUES (1, 5)")

    keep_in_step(database, orders(changed(), Column("kind", String, default="x", nullable=False)), never)

    assert rows(database) == [{"id": 1, "changed": 5, "kind": "x"}]


def test_a_not_null_column_that_nothing_can_fill_is_refused_with_the_ways_out(database: Engine) -> None:
    made_with(database, orders(), "INSERT INTO orders VALUES (1), (2)")
    grown = orders(note(), Column("total", Integer, nullable=False))

    with pytest.raises(DatabaseError) as caught:
        keep_in_step(database, grown, never)

    assert str(caught.value) == (
        "the tables cannot follow the models:\n"
        "- cannot add column orders.total: it is NOT NULL, and orders has 2 rows that would have no value. "
        "Make it nullable, or give it a server_default, or a plain default"
    )
    assert rows(database) == [{"id": 1}, {"id": 2}]


def test_a_not_null_column_is_no_problem_for_an_empty_table(database: Engine) -> None:
    made_with(database, orders())

    outcome = keep_in_step(database, orders(Column("total", Integer, nullable=False)), never)

    assert outcome.done == ["add column orders.total"]


def test_indexes_come_and_go_without_a_question(database: Engine) -> None:
    where = text("note IS NOT NULL")
    plain = orders(note())
    indexed = orders(column := note(), Index("by_note", column, sqlite_where=where, postgresql_where=where))
    made_with(database, plain)

    assert keep_in_step(database, indexed, never).done == ["add index by_note on orders (note)"]
    assert not plan(database, indexed)
    assert keep_in_step(database, plain, never).done == ["drop index by_note of orders"]
    assert not plan(database, plain)


def test_indexes_on_expressions_come_and_go_too(database: Engine) -> None:
    plain = orders(note())
    indexed = orders(column := note(), Index("by_lower_note", func.lower(column)))
    made_with(database, plain)

    keep_in_step(database, indexed, never)
    assert not plan(database, indexed)
    assert keep_in_step(database, plain, never).done == ["drop index by_lower_note of orders"]
    assert not plan(database, plain)


def test_unique_constraints_come_and_go_even_without_a_name(database: Engine) -> None:
    plain, unique = orders(note()), orders(Column("note", String(20), unique=True))
    made_with(database, plain)

    assert keep_in_step(database, unique, never).done == ["add unique constraint on orders (note)"]
    assert not plan(database, unique)
    assert keep_in_step(database, plain, never).done == ["drop unique constraint on orders (note)"]
    assert not plan(database, plain)


def test_a_unique_constraint_that_a_table_was_made_with_can_go_as_well(database: Engine) -> None:
    made_with(database, orders(Column("note", String(20), unique=True)), "INSERT INTO orders VALUES (1, 'x')")

    keep_in_step(database, orders(note()), never)
    run(database, "INSERT INTO orders VALUES (2, 'x')")

    assert len(rows(database)) == 2


@pytest.mark.parametrize("unique", [{"unique": True}, {"unique": True, "index": True}])
def test_rows_that_are_not_unique_are_named(database: Engine, unique: dict[str, bool]) -> None:
    made_with(database, orders(note()), "INSERT INTO orders VALUES (1, 'a'), (2, 'b'), (3, 'b'), (4, NULL), (5, NULL)")

    with pytest.raises(DatabaseError, match=r"2 rows of orders have note = 'b', perhaps others too\. Change or remove"):
        keep_in_step(database, orders(Column("note", String(20), **unique)), never)


def test_foreign_keys_come_and_go(database: Engine) -> None:
    plain = orders(Column("parent", Integer))
    keyed = orders(Column("parent", Integer, ForeignKey("orders.id", ondelete="SET NULL")))
    made_with(database, plain, "INSERT INTO orders VALUES (1, NULL), (2, 1)")

    assert keep_in_step(database, keyed, never).done == ["add foreign key orders (parent) to orders.id"]
    assert not plan(database, keyed)
    assert keep_in_step(database, plain, never).done == ["drop foreign key orders (parent)"]
    assert not plan(database, plain)


def test_a_foreign_key_that_rows_break_is_refused_and_nothing_is_changed(sqlite_database: Engine) -> None:
    made_with(sqlite_database, orders(Column("parent", Integer)), "INSERT INTO orders VALUES (7, 8)")
    before = everything(sqlite_database)

    with pytest.raises(DatabaseError, match="row 7 of orders would refer to a row of orders that does not exist"):
        keep_in_step(sqlite_database, orders(Column("parent", Integer, ForeignKey("orders.id")), note()), never)

    assert everything(sqlite_database) == before


# What loses something.


def test_a_column_with_values_goes_only_after_a_question(database: Engine) -> None:
    made_with(database, orders(note()), "INSERT INTO orders VALUES (1, 'x'), (2, NULL)")
    asked: list[str] = []

    outcome = keep_in_step(database, orders(), lambda steps: asked.extend(map(str, steps)) or True)  # type: ignore[func-returns-value]

    assert asked == outcome.done == ["drop column orders.note (1 row has a value)"]
    assert rows(database) == [{"id": 1}, {"id": 2}]


def test_a_column_that_shall_stay_stays_and_is_asked_about_again(database: Engine) -> None:
    made_with(database, orders(note()), "INSERT INTO orders VALUES (1, 'x')")

    for _ in range(2):
        outcome = keep_in_step(database, orders(), no)
        assert outcome == Outcome(done=[], left=["drop column orders.note (1 row has a value)"])
    assert rows(database) == [{"id": 1, "note": "x"}]


def test_a_not_null_column_that_stays_does_not_stop_new_rows(database: Engine) -> None:
    made_with(database, orders(Column("note", String, nullable=False)), "INSERT INTO orders VALUES (1, 'x')")

    keep_in_step(database, orders(), no)
    run(database, "INSERT INTO orders (id) VALUES (2)")

    assert rows(database) == [{"id": 1, "note": "x"}, {"id": 2, "note": None}]


def test_what_loses_nothing_is_done_even_if_the_answer_is_no(database: Engine) -> None:
    made_with(database, orders(note()), "INSERT INTO orders VALUES (1, 'x')")

    outcome = keep_in_step(database, orders(Column("total", Integer)), no)

    assert outcome.done == ["add column orders.total"]
    assert rows(database) == [{"id": 1, "note": "x", "total": None}]


def test_a_column_without_any_value_goes_without_a_question(database: Engine) -> None:
    made_with(database, orders(note()), "INSERT INTO orders VALUES (1, NULL)")

    assert keep_in_step(database, orders(), never).done == ["drop column orders.note, where no row has a value"]


def test_a_table_with_rows_goes_only_after_a_question(database: Engine) -> None:
    made_with(database, orders(), "INSERT INTO orders VALUES (1), (2)")

    assert keep_in_step(database, MetaData(), no).left == ["drop table orders (2 rows)"]
    assert keep_in_step(database, MetaData(), yes).done == ["drop table orders (2 rows)"]
    assert not inspect(database).has_table("orders")


def test_tables_that_refer_to_each_other_go_together(database: Engine) -> None:
    metadata = orders()
    Table("items", metadata, Column("id", Integer, primary_key=True), Column("order", ForeignKey("orders.id")))
    made_with(database, metadata, "INSERT INTO orders VALUES (1)", "INSERT INTO items VALUES (1, 1)")

    keep_in_step(database, MetaData(), yes)

    assert {"orders", "items"}.isdisjoint(inspect(database).get_table_names())


def test_tables_that_convexpy_did_not_make_are_never_touched(database: Engine) -> None:
    run(
        database, "CREATE TABLE other (id INTEGER)", "CREATE TABLE alembic_version_of_another (version_num VARCHAR(32))"
    )
    before = set(inspect(database).get_table_names())

    keep_in_step(database, orders(), never)
    keep_in_step(database, MetaData(), never)

    assert set(inspect(database).get_table_names()) == before
    assert before > FRAMEWORK_TABLES


def test_the_frameworks_tables_are_not_the_users_even_if_the_models_name_them(database: Engine) -> None:
    metadata = orders()
    Table("_convexpy_queue", metadata, Column("id", Integer, primary_key=True))

    assert keep_in_step(database, metadata, never).done == ["add table orders"]
    assert keep_in_step(database, MetaData(), never).done == ["drop table orders, which is empty"]
    assert inspect(database).has_table("_convexpy_queue")


def test_a_column_that_looks_renamed_comes_with_a_hint(database: Engine) -> None:
    made_with(database, orders(note()), "INSERT INTO orders VALUES (1, 'x')")
    renamed = orders(Column("remark", String(20)))

    outcome = keep_in_step(database, renamed, no)
    assert outcome.left == [
        "drop column orders.note (1 row has a value). If it was renamed to remark: say no, "
        "run UPDATE orders SET remark = note, and say yes the next time"
    ]
    run(database, "UPDATE orders SET remark = note")
    keep_in_step(database, renamed, yes)

    assert rows(database) == [{"id": 1, "remark": "x"}]


def test_a_not_null_column_that_looks_renamed_comes_with_a_hint(database: Engine) -> None:
    made_with(database, orders(note()), "INSERT INTO orders VALUES (1, 'x')")
    renamed = orders(Column("remark", String(20), nullable=False))

    with pytest.raises(
        DatabaseError, match=r"if it is note renamed, run (ALTER TABLE orders RENAME COLUMN note TO rem.*)"
    ):
        keep_in_step(database, renamed, never)
    run(database, "ALTER TABLE orders RENAME COLUMN note TO remark")
    keep_in_step(database, renamed, never)

    assert rows(database) == [{"id": 1, "remark": "x"}]


def test_a_table_that_looks_renamed_comes_with_a_hint(database: Engine) -> None:
    made_with(database, orders(note()), "INSERT INTO orders VALUES (1, 'x')")
    renamed = MetaData()
    Table("purchases", renamed, Column("id", Integer, primary_key=True), note())

    [left] = keep_in_step(database, renamed, no).left
    assert left.startswith(
        "drop table orders (1 row). If it was renamed to purchases: say no, run INSERT INTO purchases"
    )
    run(database, left.split("run ")[1].split(", and say")[0])
    keep_in_step(database, renamed, yes)

    assert rows(database, "SELECT * FROM purchases") == [{"id": 1, "note": "x"}]


def test_only_what_was_agreed_to_is_lost(database: Engine) -> None:
    made_with(database, orders(note(), Column("total", Integer)), "INSERT INTO orders VALUES (1, 'x', NULL)")

    def write_and_agree(steps: list[Step]) -> bool:
        run(database, "UPDATE orders SET total = 5")
        return True

    outcome = keep_in_step(database, orders(), write_and_agree)

    assert outcome == Outcome(
        done=["drop column orders.note (1 row has a value)"], left=["drop column orders.total (1 row has a value)"]
    )
    assert rows(database) == [{"id": 1, "total": 5}]


# What changes.


def test_null_is_allowed_without_a_question(database: Engine) -> None:
    made_with(database, orders(Column("note", String(20), nullable=False)))

    assert keep_in_step(database, orders(note()), never).done == ["allow NULL in orders.note"]


def test_null_is_forbidden_without_a_question_where_no_row_has_one(database: Engine) -> None:
    made_with(database, orders(note()), "INSERT INTO orders VALUES (1, 'x')")

    outcome = keep_in_step(database, orders(Column("note", String(20), nullable=False)), never)

    assert outcome.done == ["forbid NULL in orders.note"]


def test_null_is_replaced_by_a_default_only_after_a_question(database: Engine) -> None:
    made_with(database, orders(note()), "INSERT INTO orders VALUES (1, NULL), (2, 'x')")
    strict = orders(Column("note", String(20), nullable=False, default="-"))

    assert keep_in_step(database, strict, no).left == ["forbid NULL in orders.note, with '-' in 1 row"]
    keep_in_step(database, strict, yes)

    assert [row["note"] for row in rows(database)] == ["-", "x"]
    assert not plan(database, strict)


def test_null_that_nothing_can_replace_is_refused_with_the_ways_out(database: Engine) -> None:
    made_with(database, orders(note()), "INSERT INTO orders VALUES (1, NULL)")

    with pytest.raises(
        DatabaseError, match=r"cannot forbid NULL in orders.note: 1 row has no value there\. Keep it nullab"
    ):
        keep_in_step(database, orders(Column("note", String(20), nullable=False)), never)


@pytest.mark.parametrize(("old", "new"), [(String(5), String(9)), (String(5), Text()), (SmallInteger(), BigInteger())])
def test_a_wider_type_needs_no_question(database: Engine, old: Any, new: Any) -> None:
    made_with(database, orders(Column("it", old)), "INSERT INTO orders VALUES (1, '5')")

    keep_in_step(database, orders(Column("it", new)), never)

    assert not plan(database, orders(Column("it", new)))


def test_a_type_that_may_lose_something_needs_a_question(database: Engine) -> None:
    made_with(database, orders(note()), "INSERT INTO orders VALUES (1, '12')")
    numbers = orders(Column("note", Integer))

    assert keep_in_step(database, numbers, no).left == [
        "change the type of orders.note from VARCHAR(20) to INTEGER (1 row has a value)"
    ]
    keep_in_step(database, numbers, yes)

    assert rows(database) == [{"id": 1, "note": 12}]


def test_a_server_default_may_change_and_go(database: Engine) -> None:
    made_with(database, orders(note()))
    with_default = orders(Column("note", String(20), server_default="x"))

    assert keep_in_step(database, with_default, never).done == ["change the server_default of orders.note"]
    run(database, "INSERT INTO orders (id) VALUES (1)")
    assert keep_in_step(database, orders(note()), never).done == ["drop the server_default of orders.note"]

    assert rows(database) == [{"id": 1, "note": "x"}]


def test_a_primary_key_is_not_changed(database: Engine) -> None:
    made_with(database, orders(note()))

    with pytest.raises(DatabaseError, match=r"cannot change the primary key of orders from .id. to .id, year.\. Drop"):
        keep_in_step(database, orders(note(), Column("year", Integer, primary_key=True)), never)


# All types, and looking again.


def all_types(dialect: str) -> MetaData:
    postgresql = dialect == "postgresql"
    metadata = orders(
        Column("job", JobIdType),
        Column("time", Timestamp),
        Column("document", StoredJSON),
        Column("uuid", Uuid),
        Column("price", Numeric(10, 2)),
        Column("weight", Float),
        Column("paid", Boolean, server_default=true()),
        Column("day", Date),
        Column("made", DateTime(timezone=True), server_default=func.now(), nullable=False),
        Column("at", Time),
        Column("json", JSON),
        Column("colour", Enum(Colour), server_default="RED"),
        Column("size", Enum("s", "m", name="size", native_enum=False, create_constraint=True)),
        Column("bytes", LargeBinary),
        Column("number", SmallInteger),
        CheckConstraint("number > 0"),
        Column("big", BigInteger, server_default=text("10")),
        Column("code", String(collation="C" if postgresql else "NOCASE"), unique=True),
        Column("name", String(20), server_default="it's"),
        Column("label", String, server_default=text("('a' || 'b')")),
        Column("next", Integer, Computed("id + 1", persisted=True)),
        Column("slug", String, unique=True, index=True),
        CheckConstraint("big > 0", name="big_is_positive"),
        CheckConstraint(r"price > 0 AND name <> 'a \:b'"),
        UniqueConstraint("day", "at"),
        UniqueConstraint("day", "made", name="once"),
        sqlite_autoincrement=True,
    )
    Index("by_lower_name", func.lower(metadata.tables["orders"].c.name))
    Index("newest_first", metadata.tables["orders"].c.made.desc())
    Table("tags", metadata, Column("name", String, primary_key=True), note(), sqlite_with_rowid=False)
    Table(
        "items",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("order", ForeignKey("orders.id", ondelete="CASCADE")),
    )
    return metadata


def test_models_with_every_type_are_in_step_once_they_are_made(database: Engine) -> None:
    metadata = all_types(database.dialect.name)

    keep_in_step(database, metadata, never)

    assert plan(database, metadata) == Plan()
    assert keep_in_step(database, metadata, never) == Outcome()


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

    outcome = keep_in_step(sqlite_database, changed, never)
    assert len(outcome.done) == 2
    keep_in_step(sqlite_database, all_types("sqlite"), yes)

    assert rows(sqlite_database) == [order]
    assert rows(sqlite_database, "SELECT * FROM items") == [{"id": 1, "order": 1}]
    assert without_order(everything(sqlite_database)) == without_order(before)


def without_order(dump: list[str]) -> list[list[str]]:
    """A dump without the quotes that SQLite adds and the order of what has none, and without our own notes."""
    lines = [line.replace('CREATE TABLE "', "CREATE TABLE ").replace('" (', " (") for line in dump]
    return sorted(
        sorted(part.strip().rstrip(",") for part in line.split("\n")) for line in lines if "_convexpy_notes" not in line
    )


def test_foreign_keys_are_enforced_again_after_a_change(sqlite_database: Engine) -> None:
    made_with(sqlite_database, orders(note()))

    with sqlite_database.connect() as connection:
        keep_in_step(connection, orders(Column("note", String(20), nullable=False)), never)

        assert not connection.in_transaction()
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_a_step_that_fails_leaves_the_database_as_it_was(sqlite_database: Engine) -> None:
    made_with(
        sqlite_database, orders(note(), Column("total", Integer)), "INSERT INTO orders VALUES (1, 'x', 1), (2, 'y', 1)"
    )
    before = everything(sqlite_database)
    # Both rows get the same default, so the constraint cannot hold; nobody can see that before it is tried.
    grown = orders(note(), Column("slug", String, default="s", nullable=False, unique=True))
    Table("items", grown, Column("id", Integer, primary_key=True))

    with pytest.raises(
        DatabaseError, match=r"could not add column orders.slug.*UNIQUE constraint failed: orders.slug\. No"
    ):
        keep_in_step(sqlite_database, grown, yes)

    assert everything(sqlite_database) == before


def test_a_transaction_that_cannot_rebuild_tables_is_refused(sqlite_database: Engine) -> None:
    made_with(sqlite_database, orders(note()))
    changed = orders(Column("note", String(20), nullable=False))

    with sqlite_database.begin() as connection, pytest.raises(RuntimeError, match="not in a transaction"):
        apply(connection, plan(connection, changed).safe)


def test_steps_of_a_plan_can_be_applied_one_by_one(database: Engine) -> None:
    made_with(database, orders())
    grown = orders(note(), Column("total", Integer))

    first, second = plan(database, grown).safe
    apply(database, [first])
    assert [step.description for step in plan(database, grown).safe] == [second.description]
    apply(database, [second])

    assert not plan(database, grown)


# When nothing has changed.


def test_when_nothing_has_changed_alembic_is_not_imported(sqlite_database: Engine) -> None:
    made_with(sqlite_database, orders(note()))
    code = """
import sys
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine
from convexpy.database.user_tables import keep_in_step
metadata = MetaData()
Table("orders", metadata, Column("id", Integer, primary_key=True), Column("note", String(20)))
assert keep_in_step(create_engine(sys.argv[1]), metadata, None).done == []
assert "alembic" not in sys.modules
"""
    finished = subprocess.run([sys.executable, "-c", code, str(sqlite_database.url)], capture_output=True, text=True)

    assert finished.returncode == 0, finished.stderr


def test_a_table_that_somebody_dropped_is_made_again(database: Engine) -> None:
    made_with(database, orders())
    run(database, "DROP TABLE orders")

    assert keep_in_step(database, orders(), never).done == ["add table orders"]


def test_a_column_that_somebody_added_is_noticed(database: Engine) -> None:
    made_with(database, orders(), "ALTER TABLE orders ADD COLUMN extra INTEGER")

    assert keep_in_step(database, orders(), never).done == ["drop column orders.extra, where no row has a value"]


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


# Whose database it is.


def test_a_database_that_revisions_keep_is_left_to_them(database: Engine) -> None:
    made_with(
        database,
        orders(),
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)",
        "INSERT INTO alembic_version VALUES ('abc')",
    )

    outcome = keep_in_step(database, orders(note()), never)

    assert outcome == Outcome(done=[], left=["add column orders.note"], by_revisions=True)
    assert "note" not in {column["name"] for column in inspect(database).get_columns("orders")}
    assert rows(database, "SELECT * FROM alembic_version") == [{"version_num": "abc"}]


def test_the_frameworks_tables_must_be_there_first(engine: Engine) -> None:
    with pytest.raises(DatabaseError, match="no convexpy tables yet"):
        keep_in_step(engine, orders(), never)
