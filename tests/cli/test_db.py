"""``convexpy db``: a database that people depend on is changed by revisions only."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest

from convexpy.migrations.framework import HEAD

from .shop import Shop

NOTE = "    id: Mapped[str] = mapped_column(primary_key=True)\n"


@pytest.fixture
def configured(shop: Shop) -> Shop:
    shop.write("pyproject.toml", '[tool.convexpy]\nfunctions = "shop"\ndatabase = "sqlite:///shop.db"\n')
    return shop


def columns(shop: Shop) -> list[str]:
    with closing(sqlite3.connect(shop.root / "shop.db")) as connection:
        return [row[1] for row in connection.execute("PRAGMA table_info(orders)")]


def test_from_the_models_to_a_revision_to_the_tables(configured: Shop) -> None:
    assert "no revisions" in configured.cli("db", "upgrade").stdout
    written = configured.cli("db", "revision", "-m", "orders")
    assert written.exit_code == 0
    assert len(list((configured.root / "migrations").glob("*.py"))) == 1
    assert columns(configured) == []
    assert configured.cli("db", "upgrade").exit_code == 0
    assert columns(configured) == ["id", "status"]
    configured.change("shop/models.py", NOTE, NOTE + "    note: Mapped[str | None]\n")
    configured.cli("db", "revision", "-m", "notes")
    assert columns(configured) == ["id", "status"]
    upgraded = configured.cli("db", "upgrade")
    assert "they were at" in upgraded.stdout
    assert "note" in columns(configured)


def test_a_revision_of_nothing_is_not_written(configured: Shop) -> None:
    configured.cli("db", "revision", "-m", "orders")
    before = configured.files()
    assert "nothing to write" in configured.cli("db", "revision", "-m", "again").stdout
    assert configured.files() == before
    assert configured.cli("db", "revision", "-m", "by hand", "--empty").exit_code == 0


def test_a_revision_needs_a_message(configured: Shop) -> None:
    assert configured.cli("db", "revision").exit_code == 2


def test_current_tells_both_standings_and_what_to_do(configured: Shop) -> None:
    configured.cli("db", "upgrade")
    configured.cli("db", "revision", "-m", "orders")
    shown = configured.cli("db", "current")
    assert f"framework  {HEAD}, up to date" in shown.stdout
    assert "no revision has run; the newest is" in shown.stdout
    assert "convexpy db upgrade" in shown.stdout
    configured.cli("db", "upgrade")
    document = json.loads(configured.cli("db", "current", "--json").stdout)
    assert document["app"]["revision"] == document["app"]["newest"] != None  # noqa: E711


def test_current_does_not_make_a_database(configured: Shop) -> None:
    before = configured.files()
    result = configured.cli("db", "current")
    assert result.exit_code == 1
    assert "there is no database" in result.stderr
    assert configured.files() == before


def test_sql_prints_what_an_upgrade_would_run_and_runs_nothing(configured: Shop) -> None:
    configured.cli("db", "upgrade")
    configured.cli("db", "revision", "-m", "orders")
    printed = configured.cli("db", "sql").stdout
    assert "CREATE TABLE orders" in printed
    assert "_scheduled_functions" not in printed
    assert columns(configured) == []
    configured.cli("db", "upgrade")
    assert configured.cli("db", "sql").stdout == "-- The database is up to date.\n"


def test_sql_from_an_empty_database_needs_none(configured: Shop) -> None:
    before = configured.files()
    printed = configured.cli("db", "sql", "--dialect", "postgresql").stdout
    assert "CREATE TABLE _scheduled_functions" in printed
    assert "TIMESTAMP WITH TIME ZONE" in printed
    assert configured.files() == before


def test_tables_that_no_revision_made_are_adopted_only_when_asked(ready_shop: Shop) -> None:
    ready_shop.cli("db", "revision", "-m", "orders")
    refused = ready_shop.cli("db", "upgrade")
    assert refused.exit_code == 1
    assert "convexpy db upgrade --adopt" in refused.stderr
    assert ready_shop.cli("db", "upgrade", "--adopt").exit_code == 0
    assert ready_shop.cli("db", "upgrade").exit_code == 0


@pytest.mark.parametrize("command", [["upgrade"], ["current"], ["sql", "--from-empty"], ["revision", "-m", "x"]])
@pytest.mark.parametrize("url", ["nonsense", "oracle+nothing://u:s3cret@h/x"])
def test_a_wrong_url_is_an_error_without_its_password(shop: Shop, command: list[str], url: str) -> None:
    before = shop.files()
    result = shop.cli("db", *command, "--database", url)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert "s3cret" not in result.output
    assert shop.files() == before
