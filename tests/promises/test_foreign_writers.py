"""Other programs on the same SQLite file: none of them writes between what a mutation reads and what it writes."""

from __future__ import annotations

import sqlite3
from typing import Any

from app.models import Base, Order
from support.apps import app_of

from convexpy import MutationCtx, mutation
from convexpy.testing import ConvexTest

tries: list[str] = []
files: list[Any] = []


@mutation
def add_one(ctx: MutationCtx) -> None:
    order = ctx.db.get_one(Order, "counter")
    tries.append(order.status)
    other = sqlite3.connect(files[0], timeout=0)
    try:
        other.execute("UPDATE orders SET status = '100'")
        other.commit()
    except sqlite3.OperationalError as error:
        tries.append(str(error))
    finally:
        other.close()
    order.status = str(int(order.status) + 1)


def test_a_foreign_program_is_kept_out_from_the_first_read_to_the_commit() -> None:
    tries.clear()
    with ConvexTest(app_of(add_one), metadata=Base.metadata) as convex:
        files[:] = [convex.convex.database.url.database]
        with convex.db() as db:
            db.add(Order(id="counter", status="0"))
        convex.run(add_one)
        assert tries == ["0", "database is locked"]
        with convex.db() as db:
            assert db.get_one(Order, "counter").status == "1"
