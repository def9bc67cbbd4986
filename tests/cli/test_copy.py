"""``convexpy db copy``: what it says, what it refuses, and what works on the copy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from servers.shared import drop, new_database
from sqlalchemy import NullPool, create_engine, update

from convexpy.database import workers

from .shop import Shop


@pytest.fixture
def postgresql() -> Iterator[str]:
    """The URL of an empty PostgreSQL database, without the driver's name, as people write it."""
    url = new_database()
    yield url.set(drivername="postgresql").render_as_string(hide_password=False)
    drop(url)


@pytest.fixture
def busy_shop(ready_shop: Shop) -> Shop:
    """One with an order, and a job that waits."""
    assert ready_shop.cli("run", "orders:place", '{"order_id": "o1"}').exit_code == 0
    return ready_shop


def register_worker(shop: Shop, silent: timedelta = timedelta(0)) -> None:
    engine = create_engine(f"sqlite:///{shop.root}/.convexpy/dev.db", poolclass=NullPool)
    with engine.begin() as connection:
        workers.register(connection, "w", datetime.now(UTC) - silent, workers.Version(datetime.now(UTC), {}))
        connection.execute(update(workers.workers).values(host="another-host"))


def pending(shop: Shop, *options: str) -> list[str]:
    return [job["name"] for job in json.loads(shop.cli("jobs", "list", "--json", *options).stdout)]


def test_to_postgresql_and_back(busy_shop: Shop, postgresql: str) -> None:
    result = busy_shop.cli("db", "copy", postgresql)
    assert result.exit_code == 0, result.output
    assert "orders  1" in result.stdout
    assert "1 job pending" in result.stdout
    assert f"CONVEXPY_DATABASE={postgresql}" in result.stdout
    there = ("--database", postgresql)
    assert pending(busy_shop, *there) == pending(busy_shop) == ["orders:charge"]
    assert busy_shop.cli("run", "orders:place", '{"order_id": "o2"}', *there).exit_code == 0
    back = busy_shop.cli("db", "copy", "sqlite:///back.db", "--from", postgresql)
    assert back.exit_code == 0, back.output
    shown = busy_shop.cli("run", "orders:statuses", "--database", "sqlite:///back.db")
    assert json.loads(shown.stdout) == {"o1": "new", "o2": "new"}
    assert json.loads(busy_shop.cli("run", "orders:statuses").stdout) == {"o1": "new"}


def test_a_password_is_not_shown(busy_shop: Shop, postgresql: str) -> None:
    with_password = postgresql.replace("postgres@", "postgres:secret@")
    result = busy_shop.cli("db", "copy", with_password)
    assert result.exit_code == 0, result.output
    assert "secret" not in result.output


def test_a_running_worker_is_refused(busy_shop: Shop, postgresql: str) -> None:
    register_worker(busy_shop)
    refused = busy_shop.cli("db", "copy", postgresql)
    assert refused.exit_code == 1
    assert "1 worker may be running" in refused.stderr
    assert "another-host" in refused.stderr
    assert "SIGTERM" in refused.stderr
    assert busy_shop.cli("db", "copy", postgresql, "--force").exit_code == 0


def test_a_worker_that_is_long_silent_is_dead(busy_shop: Shop, postgresql: str) -> None:
    register_worker(busy_shop, silent=timedelta(minutes=2))
    assert busy_shop.cli("db", "copy", postgresql).exit_code == 0


def test_a_second_copy_is_refused(busy_shop: Shop, postgresql: str) -> None:
    busy_shop.cli("db", "copy", postgresql)
    refused = busy_shop.cli("db", "copy", postgresql)
    assert refused.exit_code == 1
    assert "not empty" in refused.stderr


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("sqlite:///.convexpy/dev.db", "the same database"),
        ("nonsense", "not a database URL"),
        ("mysql://root@localhost/shop", "mysql"),
        ("postgresql://nobody@127.0.0.1:1/shop", "127.0.0.1"),
        ("sqlite:///nowhere/shop.db", "nowhere"),
    ],
)
def test_a_target_that_cannot_be_used(busy_shop: Shop, target: str, said: str) -> None:
    before = busy_shop.files()
    refused = busy_shop.cli("db", "copy", target)
    assert refused.exit_code == 1
    assert said in refused.stderr
    assert busy_shop.files() == before


def test_a_source_that_is_not_there(busy_shop: Shop) -> None:
    before = busy_shop.files()
    refused = busy_shop.cli("db", "copy", "sqlite:///new.db", "--from", "sqlite:///missing.db")
    assert refused.exit_code == 1
    assert "there is no database" in refused.stderr
    assert busy_shop.files() == before


def test_a_copy_that_fails_leaves_no_file(busy_shop: Shop) -> None:
    busy_shop.change("shop/models.py", "status: Mapped[str]", "state: Mapped[str]")
    busy_shop.change("shop/orders.py", ".status", ".state")
    refused = busy_shop.cli("db", "copy", "sqlite:///new.db")
    assert refused.exit_code == 1
    assert "differ" in refused.stderr
    assert [name for name in busy_shop.files() if "new.db" in name] == []
