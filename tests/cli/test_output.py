"""What people see on a terminal, and what programs get through a pipe."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest

from convexpy.cli.output import duration, escaped, to_json

from .shop import Shop
from .terminal import Terminal

ESCAPE = "\x1b["


def test_tables_are_coloured_on_a_terminal_only(shop: Shop) -> None:
    with Terminal(shop.root, "functions") as terminal:
        assert ESCAPE in terminal.read("orders:whoami")
    assert ESCAPE not in shop.cli("functions").output


@pytest.mark.parametrize("command", [["functions"], ["check", "--project", "nowhere"]])
def test_no_color_is_honoured(shop: Shop, command: list[str]) -> None:
    with Terminal(shop.root, *command, env={"NO_COLOR": "1"}) as terminal:
        shown = terminal.read("orders:whoami|no such folder")
        assert f"{ESCAPE}3" not in shown
        assert f"{ESCAPE}9" not in shown


def test_json_is_one_line_for_programs_and_indented_on_a_terminal(ready_shop: Shop) -> None:
    assert len(ready_shop.cli("functions", "--json").stdout.splitlines()) == 1
    with Terminal(ready_shop.root, "functions", "--json") as terminal:
        assert len(terminal.read(r"\r\n\]").splitlines()) > 10


def test_text_that_could_play_tricks_with_a_terminal_is_shown_escaped(ready_shop: Shop) -> None:
    nasty = "\x1b[2J\r\n\x9b31m\u202e"
    ready_shop.cli("run", "orders:place", json.dumps({"order_id": nasty}))
    shown = ready_shop.cli("run", "orders:statuses").stdout
    assert json.loads(shown) == {nasty: "new"}
    assert not {"\x1b", "\r", "\x9b", "\u202e"} & set(shown)
    assert escaped(nasty) == "\\x1b[2J\\r\n\\x9b31m\\u202e"


def test_a_value_that_is_no_json_is_shown_all_the_same() -> None:
    assert to_json({"a": {1}}) == '{"a": "{1}"}'


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.00123456, "1.23 ms"),
        (0.25, "250 ms"),
        (5, "5 s"),
        (89, "89 s"),
        (90, "1.5 min"),
        (7200, "2 h"),
        (2_592_000, "30 d"),
    ],
)
def test_durations_have_the_unit_that_fits(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(("typed", "columns"), [("n\n", ["id", "status"]), ("y\n", ["id"])])
def test_dev_asks_before_it_loses_data(ready_shop: Shop, typed: str, columns: list[str]) -> None:
    ready_shop.cli("run", "orders:place", '{"order_id": "o1"}')
    with Terminal(ready_shop.root, "dev") as terminal:
        terminal.read("ready in")
        ready_shop.change("shop/models.py", '    status: Mapped[str] = mapped_column(default="new")\n', "")
        assert "drop column orders.status (1 row has a value)" in terminal.read(r"Do it\? \[y/N\]")
        terminal.type(typed)
        terminal.read("reloaded shop/models.py")
        ready_shop.change("shop/models.py", "class Order(Base):", "class Order(Base):\n    # saved again")
        terminal.read("(?s)reloaded shop/models.py.*reloaded shop/models.py")
        assert terminal.shown.count("Do it?") == 1
    with closing(sqlite3.connect(ready_shop.root / ".convexpy/dev.db")) as connection:
        assert [row[1] for row in connection.execute("PRAGMA table_info(orders)")] == columns


def test_ctrl_c_on_a_terminal_stops_dev(shop: Shop) -> None:
    with Terminal(shop.root, "dev") as terminal:
        terminal.read("ready in")
        terminal.type("\x03")
        terminal.read("stopped")
        assert terminal.process.wait(20) == 0
