"""What Alembic does not compare: members of Enums, CHECKs, the WHERE and expressions of indexes, Computed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    Column,
    Computed,
    Engine,
    Enum,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    func,
    text,
)
from sqlalchemy.exc import IntegrityError

from convexpy.errors import DatabaseError
from convexpy.migrations.dev_sync import sync_tables
from convexpy.migrations.framework import migrate
from convexpy.migrations.plan import plan
from convexpy.migrations.revisions import make_revision, upgrade

from .databases import made_with, never, rows, run
from .schemas import note, orders

CHECKED = {"native_enum": False, "create_constraint": True}


def sizes(*members: str, **options: Any) -> Column[Any]:
    return Column("size", Enum(*members, name="size", length=9, **options))


def checked(sql: str, name: str | None = None) -> MetaData:
    return orders(Column("total", Integer), CheckConstraint(sql, name=name), CheckConstraint("id <> 77"))


def partial(where: str) -> MetaData:
    condition = text(where)
    return orders(
        Column("total", Integer),
        Index("part", "total", unique=True, sqlite_where=condition, postgresql_where=condition),
    )


def lowered(expression: Any) -> MetaData:
    metadata = orders(note())
    Index("by_note", expression(metadata.tables["orders"].c.note))
    return metadata


CHANGES = [
    (orders(sizes("s", "m")), orders(sizes("s", "m", "l")), "INSERT INTO orders VALUES (2, 'l')"),
    (orders(sizes("s", "m", **CHECKED)), orders(sizes("s", "m", "l", **CHECKED)), "INSERT INTO orders VALUES (2, 'l')"),
    (checked("total > 5"), checked("total > 3"), "INSERT INTO orders VALUES (2, 4)"),
    (checked("total > 5", "enough"), checked("total > 3", "enough"), "INSERT INTO orders VALUES (2, 4)"),
    (checked("total > 5", "enough"), checked("total > 3", "other"), "INSERT INTO orders VALUES (2, 4)"),
    (partial("total > 5"), partial("total > 9"), "INSERT INTO orders VALUES (2, 6), (3, 6)"),
]
NAMES = ["native enum", "checked enum", "check", "named check", "renamed check", "partial index"]


@pytest.mark.parametrize(("old", "new", "possible"), CHANGES, ids=NAMES)
def test_dev_follows(database: Engine, old: MetaData, new: MetaData, possible: str) -> None:
    made_with(database, old, "INSERT INTO orders (id) VALUES (1)")

    done = sync_tables(database, new, never).done

    if not (database.dialect.name == "sqlite" and old is CHANGES[0][0]):  # there it is text
        assert done
    assert not plan(database, new)
    run(database, possible)
    assert rows(database)[0]["id"] == 1
    assert sync_tables(database, new, never).done == []


@pytest.mark.parametrize(("old", "new", "possible"), CHANGES, ids=NAMES)
def test_a_revision_follows(engine: Engine, folder: Path, old: MetaData, new: MetaData, possible: str) -> None:
    make_revision(engine, old, folder, "first")
    upgrade(engine, old, folder)
    run(engine, "INSERT INTO orders (id) VALUES (1)")

    make_revision(engine, new, folder, "second")
    upgrade(engine, new, folder)

    assert not plan(engine, new)
    run(engine, possible)
    assert rows(engine)[0]["id"] == 1
    assert make_revision(engine, new, folder, "third") is None


def test_a_check_that_stays_is_enforced(database: Engine) -> None:
    made_with(database, checked("total > 5"), "INSERT INTO orders VALUES (1, 6)")

    sync_tables(database, checked("total > 3"), never)

    for refused in ("(77, 4)", "(2, 3)"):
        with pytest.raises(IntegrityError):
            run(database, f"INSERT INTO orders VALUES {refused}")


def test_a_check_that_rows_break_is_refused(database: Engine) -> None:
    made_with(database, checked("total > 3"), "INSERT INTO orders VALUES (1, 4)")

    with pytest.raises(DatabaseError, match=r"could not change the CHECKs of orders: .*Nothing was changed"):
        sync_tables(database, checked("total > 5"), never)

    assert rows(database) == [{"id": 1, "total": 4}]


def test_all_checks_can_go(database: Engine) -> None:
    made_with(database, checked("total > 3", "enough"))

    sync_tables(database, orders(Column("total", Integer)), never)

    run(database, "INSERT INTO orders VALUES (77, 1)")
    assert not plan(database, orders(Column("total", Integer)))


def test_a_column_that_comes_with_a_check_and_another_change(database: Engine) -> None:
    made_with(database, checked("total > 5", "enough"))
    grown = checked("total > 3", "enough")
    grown.tables["orders"].append_column(sizes("s", "m", **CHECKED))

    sync_tables(database, grown, never)

    assert not plan(database, grown)
    with pytest.raises(IntegrityError):
        run(database, "INSERT INTO orders (id, size) VALUES (1, 'x')")


def test_a_revision_with_a_column_that_comes_with_a_check(engine: Engine, folder: Path) -> None:
    make_revision(engine, checked("total > 5", "enough"), folder, "first")
    grown = checked("total > 3", "enough")
    grown.tables["orders"].append_column(sizes("s", "m", **CHECKED))

    make_revision(engine, grown, folder, "second")
    upgrade(engine, grown, folder)

    assert not plan(engine, grown)


def test_the_expression_of_an_index_is_followed(database: Engine) -> None:
    made_with(database, lowered(func.lower))

    done = sync_tables(database, lowered(func.upper), never).done

    assert done == ["drop index by_note of orders", "add index by_note on orders (note)"]
    assert not plan(database, lowered(func.upper))


def test_a_computed_column_is_named_with_what_to_do(database: Engine) -> None:
    def computed(sql: str) -> MetaData:
        return orders(Column("next", Integer, Computed(sql, persisted=True)))

    made_with(database, computed("id + 1"), "INSERT INTO orders (id) VALUES (1)")

    for _ in range(2):
        outcome = sync_tables(database, computed("id + 2"), never)
        [line] = outcome.unchanged
        assert line.startswith("the expression of orders.next has changed: no database changes it. Run ALTER TABLE")
    run(database, line.split("Run ")[1].split(", and")[0])
    sync_tables(database, computed("id + 2"), never)

    assert rows(database) == [{"id": 1, "next": 3}]
    assert not plan(database, computed("id + 2"))


def test_members_come_where_the_models_have_them_and_can_be_used_at_once(database: Engine) -> None:
    def grown(*members: str, **options: Any) -> MetaData:
        return (
            orders(sizes(*members), Column("sizes", ARRAY(Enum(*members, name="sizes"))), Column("n", String))
            if (database.dialect.name == "postgresql")
            else orders(sizes(*members))
        )

    made_with(database, grown("b", "d"))
    models = grown("a", "b", "it's", "d", "e")
    models.tables["orders"].append_column(
        Column("other", Enum("a", "b", "it's", "d", "e", name="size", length=9), server_default="it's")
    )

    sync_tables(database, models, never)

    assert not plan(database, models)
    run(database, "INSERT INTO orders (id) VALUES (1)")
    if database.dialect.name == "postgresql":
        labels = rows(database, "SELECT enum_range(NULL::size)::text AS labels")
        assert labels == [{"labels": "{a,b,it's,d,e}"}]


def test_members_that_go_are_named(postgresql: Engine) -> None:
    migrate(postgresql)
    made_with(postgresql, orders(sizes("s", "m")))

    [line] = sync_tables(postgresql, orders(sizes("s")), never).unchanged

    assert line.startswith("the type size keeps 'm', which the models no longer have")


def test_models_that_cannot_be_made_a_second_time_say_so(postgresql: Engine) -> None:
    migrate(postgresql)
    run(postgresql, "CREATE SCHEMA other")
    models = orders(note())
    Table("orders", models, Column("id", Integer, primary_key=True), schema="other")
    made_with(postgresql, models)
    models.tables["orders"].append_column(Column("total", Integer))

    outcome = sync_tables(postgresql, models, never)

    assert outcome.done == ["add column orders.total"]
    assert outcome.unchanged[0].startswith("CHECKs, expressions of indexes and Computed were not compared: ")
