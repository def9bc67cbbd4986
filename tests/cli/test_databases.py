"""A database that cannot be used is a clear error of every command, and nothing is written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from servers.shared import drop, new_database
from sqlalchemy import URL

from .shop import Shop

COMMANDS = [["run", "orders:statuses"], ["jobs", "list"], ["crons", "list"], ["db", "upgrade"]]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_that_is_no_database(shop: Shop, command: list[str]) -> None:
    file = shop.write("shop.db", "these are my notes, and no database at all\n" * 100)
    before = shop.files(), file.read_bytes()
    result = shop.cli(*command, "--database", "sqlite:///shop.db")
    assert result.exit_code == 1
    assert "shop.db" in result.stderr
    assert "not a database" in result.stderr
    assert file.read_bytes() == before[1]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_database_of_a_newer_version(ready_shop: Shop, command: list[str]) -> None:
    with closing(sqlite3.connect(ready_shop.root / ".convexpy/dev.db")) as connection:
        connection.execute("UPDATE _convexpy_alembic_version SET version_num = 'convexpy_9999'")
        connection.commit()
    result = ready_shop.cli(*command)
    assert result.exit_code == 1
    assert "newer convexpy" in result.stderr
    assert "convexpy_9999" in result.stderr


@pytest.mark.parametrize("command", COMMANDS[:3])
def test_a_database_that_is_not_migrated(shop: Shop, command: list[str]) -> None:
    sqlite3.connect(shop.root / "shop.db").close()
    (shop.root / "shop.db").touch()
    result = shop.cli(*command, "--database", "sqlite:///shop.db")
    assert result.exit_code == 1
    assert "convexpy db upgrade" in result.stderr


@pytest.mark.parametrize("command", [["db", "upgrade"]])
@pytest.mark.parametrize("folder", ["nowhere", "/proc/1"])
def test_a_folder_that_is_missing_or_cannot_be_written(shop: Shop, command: list[str], folder: str) -> None:
    before = shop.files()
    url = f"sqlite:///{Path(folder) / 'shop.db'}"
    result = shop.cli(*command, "--database", url)
    assert result.exit_code == 1
    assert folder in result.stderr
    assert shop.files() == before


@pytest.mark.parametrize("command", COMMANDS)
def test_a_missing_file_is_never_made_by_a_command_that_reads(shop: Shop, command: list[str]) -> None:
    if command == ["db", "upgrade"]:
        return
    before = shop.files()
    result = shop.cli(*command, "--database", "sqlite:///shpo.db")
    assert result.exit_code == 1
    assert "shpo.db" in result.stderr
    assert shop.files() == before


SECRET = "hunter2"
URLS = {
    "an unescaped @": f"postgresql://ada:{SECRET}@{SECRET}@127.0.0.1:1/shop",
    "a port that is none": f"postgresql://ada:{SECRET}@127.0.0.1:port/shop",
    "a password as an option": f"postgresql://ada@127.0.0.1:1/shop?password={SECRET}&sslpassword={SECRET}",
    "a password": f"postgresql://ada:{SECRET}@127.0.0.1:1/shop",
    "no scheme": f"ada:{SECRET}@127.0.0.1/shop",
    "another kind": f"mysql://ada:{SECRET}@127.0.0.1/shop",
    "an unknown option": f"postgresql://ada:{SECRET}@127.0.0.1:1/shop?passwort={SECRET}",
    "an option that is no number": f"postgresql://ada:{SECRET}@127.0.0.1:1/shop?connect_timeout=soon",
}


@pytest.mark.parametrize("command", [*COMMANDS, ["db", "current"], ["db", "sql"], ["doctor"]])
@pytest.mark.parametrize("url", URLS)
def test_an_error_of_a_url_is_short_and_shows_no_password(shop: Shop, command: list[str], url: str) -> None:
    result = shop.cli(*command, "--database", URLS[url])
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.splitlines()) <= 4
    assert SECRET not in result.output


@pytest.fixture
def server() -> Iterator[URL]:
    """A new database on a server."""
    url = new_database()
    yield url
    drop(url)


def test_a_role_without_rights_is_told_what_it_lacks(shop: Shop, server: URL) -> None:
    with closing(psycopg.connect(server.set(drivername="postgresql").render_as_string(hide_password=False))) as admin:
        admin.autocommit = True
        admin.execute("DROP ROLE IF EXISTS powerless")
        admin.execute("CREATE ROLE powerless LOGIN")
        admin.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        url = server.set(drivername="postgresql", username="powerless", password=None)
        result = shop.cli("db", "upgrade", "--database", url.render_as_string())
        admin.execute("DROP ROLE powerless")
    assert result.exit_code == 1
    assert "permission denied" in result.stderr
    assert "Grant this" in result.stderr
    assert len(result.stderr.splitlines()) <= 4
