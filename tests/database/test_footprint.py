"""Which tables a statement reads and writes."""

from __future__ import annotations

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from convexpy.database.footprint import footprint, footprint_of_all

metadata = MetaData()
items = Table("items", metadata, Column("id", Integer, primary_key=True), Column("stock", Integer))
orders = Table("order", metadata, Column("id", Integer, primary_key=True), Column("item_id", Integer))


def shown(value: object) -> str | None:
    """Part of a test's name. Sets come in one order, so that every process gives the same names."""
    return "+".join(sorted(value)) or "nothing" if isinstance(value, set) else str(value)


@pytest.mark.parametrize("dialect", [sqlite.dialect(), postgresql.dialect()], ids=["sqlite", "postgresql"])
@pytest.mark.parametrize(
    ("statement", "reads", "writes"),
    [
        (select(items), {"items"}, set()),
        (select(items).with_for_update(skip_locked=True), {"items"}, set()),
        (select(items).join(orders, orders.c.item_id == items.c.id), {"items", "order"}, set()),
        (select(items, orders).where(orders.c.item_id == items.c.id), {"items", "order"}, set()),
        (select(items.c.id).where(items.c.id.in_(select(orders.c.item_id))), {"items", "order"}, set()),
        (insert(orders).values(id=1), set(), {"order"}),
        (insert(orders).from_select(["id"], select(items.c.id)), {"items"}, {"order"}),
        (update(items).values(stock=1), set(), {"items"}),
        (delete(orders).where(orders.c.item_id.in_(select(items.c.id))), {"items"}, {"order"}),
    ],
    ids=shown,
)
def test_what_sqlalchemy_writes(statement: object, reads: set[str], writes: set[str], dialect: object) -> None:
    text = str(statement.compile(dialect=dialect))  # type: ignore[attr-defined]
    assert (set(footprint(text).reads), set(footprint(text).writes)) == (reads, writes), text


@pytest.mark.parametrize(
    ("text", "reads", "writes"),
    [
        ("insert into shop.orders (id) select 1 from only items, carts", {"items", "carts"}, {"orders"}),
        ('UPDATE "items" SET stock = 0 FROM "orders" WHERE true', {"orders"}, {"items"}),
        ("WITH few AS (SELECT * FROM items) SELECT * FROM few JOIN orders ON true", {"items", "orders"}, set()),
        ("WITH gone AS (DELETE FROM orders RETURNING id) SELECT * FROM gone", set(), {"orders"}),
        ("INSERT INTO t (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET id = 2", set(), {"t"}),
        ("SELECT 'delete from orders' FROM items -- update carts", {"items"}, set()),
        ("INSERT OR REPLACE INTO items VALUES (1)", set(), {"items"}),
        ("TRUNCATE TABLE items", set(), {"items"}),
        ("SAVEPOINT one", set(), set()),
    ],
    ids=shown,
)
def test_what_people_write(text: str, reads: set[str], writes: set[str]) -> None:
    assert (set(footprint(text).reads), set(footprint(text).writes)) == (reads, writes)


def test_a_transaction_is_all_of_its_statements() -> None:
    both = footprint_of_all(["SELECT * FROM items", "UPDATE orders SET id = 1"])
    assert both.touched == {"items", "orders"}
    assert both.writes == {"orders"}
