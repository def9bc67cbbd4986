"""``convexpy db live``: what other programs write to a PostgreSQL is seen by live queries."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest
from servers.shared import drop, new_database

from convexpy.live.updates import Updates

from .shop import Shop

PATIENCE_SECONDS = 60


class Server:
    """A database of its own for the shop, and other programs that write to it."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.url = new_database()
        self.shown = self.url.set(drivername="postgresql").render_as_string(hide_password=False)
        shop.write("pyproject.toml", f'[tool.convexpy]\nfunctions = "shop"\ndatabase = "{self.shown}"\n')

    def succeeds(self, *command: str) -> str:
        result = self.shop.cli(*command)
        assert result.exit_code == 0, result.stderr
        return result.stdout

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.shown, autocommit=True)

    def logged(self) -> list[tuple[str | None, Any]]:
        with closing(self.connect()) as connection:
            rows = connection.execute("SELECT function, writes FROM _convexpy_commits ORDER BY position").fetchall()
        return [(function, writes and json.loads(writes)) for function, writes in rows]


@pytest.fixture
def server(shop: Shop) -> Iterator[Server]:
    server = Server(shop)
    yield server
    drop(server.url)


@pytest.fixture
def installed(server: Server) -> Server:
    server.succeeds("db", "revision", "-m", "the tables")
    server.succeeds("db", "live", "install", "orders")
    server.succeeds("db", "upgrade")
    return server


def following(updates: Updates[Any]) -> Any:
    return updates.get(timeout=PATIENCE_SECONDS)


WRITES = [
    ("INSERT INTO orders VALUES ('b', 'new')", {"a": "new", "b": "new"}),
    ("UPDATE orders SET status = 'sent'", {"a": "sent"}),
    ("DELETE FROM orders", {}),
    ("TRUNCATE orders", {}),
    ("SET session_replication_role = replica; INSERT INTO orders VALUES ('b', 'new')", {"a": "new", "b": "new"}),
    ("COPY orders FROM STDIN", {"a": "new", "b": "new"}),
]


@pytest.mark.parametrize(("statement", "after"), WRITES)
def test_what_another_program_writes_is_seen(installed: Server, statement: str, after: dict[str, str]) -> None:
    with (
        installed.shop.convex() as convex,
        convex.subscribe("orders:statuses") as updates,
        closing(installed.connect()) as program,
    ):
        assert following(updates) == {}
        convex.call("orders:place", {"order_id": "a"})
        assert following(updates) == {"a": "new"}
        if statement.startswith("COPY"):
            with program.cursor().copy(statement) as copy:
                copy.write("b\tnew\n")
        else:
            program.execute(statement)
        assert following(updates) == after


def test_the_log_names_the_table_and_the_program_once_a_transaction(installed: Server) -> None:
    before = len(installed.logged())
    with closing(installed.connect()) as program:
        program.execute("SET application_name = 'psql'")
        with program.transaction():
            for number in range(3):
                program.execute("INSERT INTO orders VALUES (%s, 'new')", [str(number)])
    assert installed.logged()[before:] == [("(psql)", {"orders": None})]


def test_convexpys_own_writes_keep_their_keys(installed: Server) -> None:
    with installed.shop.convex() as convex:
        convex.call("orders:place", {"order_id": "a"})
    assert [
        (function, writes["orders"]) for function, writes in installed.logged() if writes and "orders" in writes
    ] == [("orders:place", {"id": ["a"]})]


def test_a_role_writes_to_the_log_that_may_not_see_it(installed: Server) -> None:
    with closing(installed.connect()) as program:
        program.execute(f"CREATE ROLE clerk_{installed.url.database}")
        try:
            program.execute(f"GRANT INSERT ON orders TO clerk_{installed.url.database}")
            program.execute(f"SET ROLE clerk_{installed.url.database}")
            # A table of its own does not take the place of the log.
            program.execute("CREATE TEMPORARY TABLE _convexpy_commits (position bigint, function text, writes text)")
            program.execute("INSERT INTO orders VALUES ('a', 'new')")
        finally:
            program.execute("RESET ROLE")
            program.execute(f"DROP OWNED BY clerk_{installed.url.database}")
            program.execute(f"DROP ROLE clerk_{installed.url.database}")
    assert installed.logged()[-1][1] == {"orders": None}


def test_a_table_of_another_program_may_be_named(installed: Server) -> None:
    with closing(installed.connect()) as program:
        program.execute('CREATE SCHEMA admin; CREATE TABLE admin."Log" (id int)')
        installed.succeeds("db", "live", "install", "admin.Log")
        installed.succeeds("db", "upgrade")
        program.execute('INSERT INTO admin."Log" VALUES (1)')
    assert installed.logged()[-1][1] == {"admin.Log": None}


def test_removed_they_are_not_seen_any_more(installed: Server) -> None:
    installed.succeeds("db", "live", "remove", "orders")
    installed.succeeds("db", "upgrade")
    before = installed.logged()
    with closing(installed.connect()) as program:
        program.execute("INSERT INTO orders VALUES ('a', 'new')")
    assert installed.logged() == before


def test_a_revision_on_sqlite_changes_nothing(ready_shop: Shop) -> None:
    assert ready_shop.cli("db", "revision", "-m", "the tables", "--database", "sqlite:///new.db").exit_code == 0
    result = ready_shop.cli("db", "live", "install", "orders", "--database", "sqlite:///new.db")
    assert result.exit_code == 0
    assert "Read it, then: convexpy db upgrade" in result.stdout
    assert ready_shop.cli("db", "upgrade", "--database", "sqlite:///new.db").exit_code == 0
    assert "_convexpy_live " in ready_shop.cli("db", "sql", "--dialect", "postgresql").stdout


@pytest.mark.parametrize(
    ("table", "words"), [("order", "no table 'order'"), ("_convexpy_commits", "convexpy's own table")]
)
def test_a_table_that_is_not_there_is_refused(shop: Shop, table: str, words: str) -> None:
    before = shop.files()
    result = shop.cli("db", "live", "install", table)
    assert result.exit_code == 1
    assert words in result.stderr
    assert shop.files() == before
