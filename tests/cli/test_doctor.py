"""``convexpy doctor`` and ``convexpy conflicts``: what they print, and how they exit."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import socket

import pytest

from convexpy.cli.dev_server import DevServer
from convexpy.database.conflicts import ConflictRecord, add_conflicts
from convexpy.project import load_project
from convexpy.runtime.conflicts import Attempt, CommittedTransaction, FailedAttempt

from .shop import Shop

LIVE = ".convexpy/dev.db"


@pytest.fixture
def sound_shop(ready_shop: Shop) -> Shop:
    (ready_shop.root / LIVE).chmod(0o600)
    return ready_shop


def test_a_database_without_risks_is_one_line_a_finding_and_exit_code_0(sound_shop: Shop) -> None:
    before = sound_shop.files()
    result = sound_shop.cli("doctor")
    assert result.exit_code == 0, result.output
    *lines, summary = result.stdout.splitlines()
    assert {line.split()[0] for line in lines} <= {"ok", "note"}
    assert summary.startswith("0 risks, ")
    assert any(line.startswith("ok    journal") for line in lines)
    assert sound_shop.files() - before <= {f"{LIVE}-wal", f"{LIVE}-shm"}


def test_a_risk_is_exit_code_1_and_says_what_to_do(sound_shop: Shop) -> None:
    overdue(sound_shop)
    result = sound_shop.cli("doctor")
    assert result.exit_code == 1
    (risk,) = (line for line in result.stdout.splitlines() if line.startswith("risk"))
    assert "no worker is alive, and 1 job is due: scheduled jobs do not run. Start `convexpy start`" in risk
    assert result.stdout.splitlines()[-1].startswith("1 risk, ")


def test_the_same_in_json(sound_shop: Shop) -> None:
    assert json.loads(sound_shop.cli("doctor", "--json").stdout)["ok"] is True
    overdue(sound_shop)
    result = sound_shop.cli("doctor", "--json")
    document = json.loads(result.stdout)
    assert (result.exit_code, document["ok"]) == (1, False)
    (risk,) = (finding for finding in document["findings"] if finding["mark"] == "risk")
    assert risk.keys() == {"mark", "about", "seen", "why", "todo"}


def overdue(shop: Shop) -> None:
    shop.cli("run", "orders:place", '{"order_id": "o1", "delay_seconds": 0}')


def test_a_database_that_is_not_there_is_an_error(shop: Shop) -> None:
    before = shop.files()
    result = shop.cli("doctor", "--database", "sqlite:///shpo.db")
    assert result.exit_code == 1
    assert "there is no database" in result.stderr
    assert shop.files() == before


def test_a_database_that_was_never_migrated_is_a_risk(shop: Shop) -> None:
    (shop.root / "new.db").touch()
    result = shop.cli("doctor", "--database", "sqlite:///new.db")
    assert result.exit_code == 1
    assert "no revision" in result.stdout
    assert "`convexpy db upgrade`" in result.stdout


def test_an_app_that_cannot_be_loaded_is_no_reason_not_to_look(sound_shop: Shop) -> None:
    sound_shop.write("shop/broken.py", "x = (\n")
    result = sound_shop.cli("doctor")
    assert result.exit_code == 0
    assert "`convexpy check` says why" in result.stderr


def test_only_the_tables_of_the_app_are_looked_at(sound_shop: Shop) -> None:
    with sound_shop.convex() as convex, convex.database.ddl() as connection:
        connection.exec_driver_sql("CREATE TABLE others (id INTEGER PRIMARY KEY, other INTEGER REFERENCES others (id))")
    assert "every foreign key has an index" in sound_shop.cli("doctor").stdout


def test_conflicts_are_listed_the_most_frequent_first(sound_shop: Shop) -> None:
    assert sound_shop.cli("conflicts").stdout == "No conflicts.\n"
    assert json.loads(sound_shop.cli("conflicts", "--json").stdout) == []
    last = datetime.now(UTC) - timedelta(hours=3)
    with sound_shop.convex() as convex, convex.database.write_internal() as connection:
        add_conflicts(connection, [ConflictRecord("orders:mark", None, None, 1, last)])
        add_conflicts(connection, [ConflictRecord("orders:place", "orders:mark", "orders", 12, last)])
    lines = [line.split() for line in sound_shop.cli("conflicts").stdout.splitlines()]
    assert lines == [
        ["FUNCTION", "LOST", "TO", "TABLE", "TIMES", "LAST"],
        ["orders:place", "orders:mark", "orders", "12", "3", "h", "ago"],
        ["orders:mark", "another", "transaction", "1", "3", "h", "ago"],
    ]
    first, second = json.loads(sound_shop.cli("conflicts", "--json").stdout)
    assert (first["function"], first["other"], first["table"], first["times"]) == (
        "orders:place",
        "orders:mark",
        "orders",
        12,
    )
    assert first["lastTime"] == pytest.approx(last.timestamp() * 1000, abs=1)
    assert (second["other"], second["table"]) == (None, None)


def test_the_checked_file_is_the_configured_one(sound_shop: Shop, tmp_path: Path) -> None:
    (tmp_path / LIVE).rename(tmp_path / "live.db")
    sound_shop.write("pyproject.toml", '[tool.convexpy]\nfunctions = "shop"\ndatabase = "sqlite:///live.db"\n')
    assert sound_shop.cli("doctor").exit_code == 0


def test_dev_says_who_lost_to_whom(sound_shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    project = load_project(sound_shop.root)
    server = DevServer(project, lambda: project, socket())
    now = datetime.now(UTC)
    with closing(server), server._opened(project) as convex:
        conflicts = convex.calls.transactions.conflicts
        conflicts.recent.append(CommittedTransaction({"orders:mark": {"UPDATE orders SET status = 'paid'"}}, now, now))
        conflicts._add(FailedAttempt(Attempt("orders:place", ["SELECT * FROM orders"], now, now), None))
        conflicts.flush()
    line = 'conflict   orders:place lost to orders:mark on "orders" and ran again (once in the last minute)'
    assert line in capsys.readouterr().out.splitlines()
