"""``convexpy dev`` and the tables: they follow the models on every save, where nothing is lost by it."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from .development import dev
from .process import Process
from .shop import Shop


def test_tables_follow_the_models_on_every_save(shop: Shop) -> None:
    with dev(shop) as process:
        assert "tables     add table orders" in process.lines
        shop.change("shop/models.py", "    status:", "    note: Mapped[str | None]\n    status:")
        process.line(r"^tables     add column orders\.note")
        process.line("reloaded shop/models.py")


def test_nothing_that_loses_data_happens_without_somebody_to_ask(shop: Shop) -> None:
    with dev(shop) as process:
        shop.cli("run", "orders:place", '{"order_id": "o1"}')
        shop.change("shop/models.py", '    status: Mapped[str] = mapped_column(default="new")\n', "")
        process.line(r"^not done   drop column orders\.status")
        process.line("asks about it when it is started in a terminal")
    with closing(sqlite3.connect(shop.root / ".convexpy/dev.db")) as connection:
        assert connection.execute("SELECT status FROM orders").fetchall() == [("new",)]


def test_models_that_the_rows_forbid_keep_the_version_before(shop: Shop) -> None:
    with dev(shop) as process:
        shop.cli("run", "orders:place", '{"order_id": "o1"}')
        shop.change("shop/models.py", "    status:", "    note: Mapped[str]\n    status:")
        process.line("the tables cannot follow the models")
        process.line(r"cannot add column orders\.note")
        process.line("the last good version keeps running")


def test_tables_that_cannot_follow_from_the_start_are_waited_for(ready_shop: Shop) -> None:
    ready_shop.cli("run", "orders:place", '{"order_id": "o1"}')
    ready_shop.change("shop/models.py", "    status:", "    note: Mapped[str]\n    status:")
    with Process(ready_shop.root, "dev") as process:
        process.line(r"cannot add column orders\.note")
        process.line("waiting for a save that loads")
        ready_shop.change("shop/models.py", "    note: Mapped[str]\n", "    note: Mapped[str | None]\n")
        process.line(r"^tables     add column orders\.note")
        process.line("^ready in")


def test_tables_that_revisions_keep_are_left_to_them(ready_shop: Shop) -> None:
    ready_shop.cli("db", "revision", "-m", "orders")
    assert ready_shop.cli("db", "upgrade", "--adopt").exit_code == 0
    with dev(ready_shop) as process:
        ready_shop.change("shop/models.py", "    status:", "    note: Mapped[str | None]\n    status:")
        process.line(r"^not done   add column orders\.note")
        process.line("convexpy db revision")
        process.line("reloaded shop/models.py")
