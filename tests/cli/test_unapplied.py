"""Code and database of different versions: what ``start`` and ``worker`` refuse, and what ``check`` reports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from convexpy import Convex, DatabaseError

from .process import DEADLINE_SECONDS, Process
from .shop import Shop

CONFIGURED = '[tool.convexpy]\nfunctions = "shop"\ndatabase = "sqlite:///shop.db"\n'

COMMANDS = [
    ["worker"],
    *(pytest.param(each, marks=pytest.mark.long) for each in (["start"], ["worker", "--processes", "2"])),
]


@pytest.fixture
def behind(shop: Shop) -> Shop:
    """A project with two revisions, the first of which is applied."""
    shop.write("pyproject.toml", CONFIGURED)
    shop.apply_revision()
    assert shop.cli("db", "revision", "--empty", "-m", "second").exit_code == 0
    return shop


def revision(shop: Shop, message: str) -> str:
    (file,) = (shop.root / "migrations").glob(f"*_{message}.py")
    return file.stem.split("_")[-2]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_database_that_lacks_a_revision_is_refused(behind: Shop, command: list[str]) -> None:
    second = revision(behind, "second")
    with Process(behind.root, *command) as server:
        server.line(f"there are revisions that have not been applied to the database: {second}")
        server.line("Run `convexpy db upgrade` first, or pass --allow-unapplied")
        assert server.process.wait(DEADLINE_SECONDS) == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_it_can_be_allowed(behind: Shop, command: list[str]) -> None:
    second = revision(behind, "second")
    with Process(behind.root, *command, "--allow-unapplied") as server:
        server.line(f"running in spite of revisions that have not been applied to the database: {second}")
        server.line('"running')
        assert server.stop() == 0


def test_a_web_app_refuses_it_as_well(behind: Shop) -> None:
    second = revision(behind, "second")
    with Convex.from_project() as convex:
        convex.call("orders:statuses")  # calls are not refused
        with pytest.raises(DatabaseError, match=f"not been applied to the database: {second}"):
            convex.start()
    with Convex.from_project(allow_unapplied=True) as convex, convex.running():
        pass
    assert behind.cli("db", "upgrade").exit_code == 0
    with Convex.from_project() as convex, convex.running():
        pass


def test_a_job_that_is_due_waits_for_the_revision(behind: Shop) -> None:
    behind.cli("run", "orders:place", '{"order_id": "o1", "delay_seconds": 0}')
    with Process(behind.root, "worker") as server:
        assert server.process.wait(DEADLINE_SECONDS) == 1
    behind.cli("db", "upgrade")
    with Process(behind.root, "worker") as server:
        server.line('"orders:charge"')
        assert server.stop() == 0
    assert behind.cli("run", "orders:statuses").stdout == '{"o1": "paid"}\n'


def test_a_database_that_is_ahead_is_a_warning(behind: Shop) -> None:
    second = revision(behind, "second")
    behind.cli("db", "upgrade")
    (file,) = (behind.root / "migrations").glob("*_second.py")
    file.unlink()
    with Process(behind.root, "worker") as server:
        server.line(f"the database is ahead of this code: its revision {second} is not in ")
        server.line('"running')
        assert server.stop() == 0


def test_a_database_that_dev_made_is_refused_once_there_are_revisions(shop: Shop) -> None:
    shop.make_database()
    shop.cli("db", "revision", "-m", "orders")
    with Process(shop.root, "worker", "--database", "sqlite:///.convexpy/dev.db") as server:
        server.line(f"not been applied to the database: {revision(shop, 'orders')}")
        assert server.process.wait(DEADLINE_SECONDS) == 1


def test_without_revisions_there_is_nothing_to_apply(shop: Shop) -> None:
    shop.make_database()
    with Process(shop.root, "worker", "--database", "sqlite:///.convexpy/dev.db") as server:
        server.line('"running')
        assert server.stop() == 0
    assert not any("revision" in line for line in server.lines)


# What `check` and `doctor` say.


def test_check_warns_of_an_unapplied_revision(behind: Shop) -> None:
    result = behind.cli("check")
    assert result.exit_code == 0
    assert f"warning: revisions: not applied: {revision(behind, 'second')}: " in result.stdout
    (warning,) = json.loads(behind.cli("check", "--json").stdout)["warnings"]
    assert warning["message"].endswith("Run `convexpy db upgrade`")
    assert behind.cli("doctor").exit_code == 1


def test_check_and_doctor_report_jobs_that_the_code_cannot_run(ready_shop: Shop) -> None:
    ready_shop.cli("run", "orders:place", '{"order_id": "o1"}')
    assert "warning" not in ready_shop.cli("check").stdout

    ready_shop.change(
        "shop/orders.py", "def charge(ctx: SyncActionCtx, order_id: str)", "def charge(ctx: SyncActionCtx, order: str)"
    )
    for command in ("check", "doctor"):
        result = ready_shop.cli(command)
        assert "1 of 1 pending job of orders:charge have arguments that no longer fit" in result.stdout
        assert "order: Field required" in result.stdout

    ready_shop.change("shop/orders.py", "charge", "bill")
    for command in ("check", "doctor"):
        assert "1 pending job of orders:charge: there is no function 'orders:charge'" in ready_shop.cli(command).stdout


def test_check_needs_no_database(shop: Shop) -> None:
    shop.write("pyproject.toml", CONFIGURED.replace("sqlite:///shop.db", "postgresql://nobody@127.0.0.1:1/none"))
    result = shop.cli("check")
    assert result.exit_code == 0
    assert "warning: the database cannot be read, so its revisions and pending jobs are not checked: " in result.stdout
    assert "ok: 7 functions, 1 cron" in result.stdout


def test_check_writes_nothing_to_a_database(behind: Shop) -> None:
    before = Path(behind.root / "shop.db").read_bytes()
    behind.cli("check")
    assert Path(behind.root / "shop.db").read_bytes() == before
