"""``convexpy worker --processes``: an error is reported once, and one process needs no supervisor."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from shutil import rmtree
from types import SimpleNamespace

import pytest

from .process import DEADLINE_SECONDS, Process
from .shop import Shop
from .workers import Workers, configure, plan


@pytest.fixture
def production(shop: Shop) -> Shop:
    configure(shop, "sqlite:///shop.db")
    return shop


def refused(root: Path, *args: str) -> str:
    with Workers(root, 3, *args) as running:
        assert running.process.wait(DEADLINE_SECONDS) == 1
        with pytest.raises(AssertionError):
            running.line("this is the end")
        return "\n".join(running.lines)


def test_an_app_that_does_not_load_is_reported_once(production: Shop) -> None:
    production.write("shop/broken.py", "x = (\n")
    text = refused(production.root)
    assert text.count("the app cannot be loaded") == 1
    assert text.count("shop/broken.py:1") == 1
    with Process(production.root, "worker") as alone:
        assert alone.process.wait(DEADLINE_SECONDS) == 1
        with pytest.raises(AssertionError):
            alone.line("this is the end")
        assert "\n".join(alone.lines) == text


def test_a_database_that_is_not_migrated_is_refused_once(production: Shop) -> None:
    assert refused(production.root, "--database", "sqlite:///new.db").count("convexpy db upgrade") == 1


def test_start_refuses_a_database_that_is_not_migrated(production: Shop) -> None:
    (production.root / "empty.db").touch()
    rmtree(production.root / "migrations")  # unapplied revisions are another reason
    with Process(production.root, "start", "--database", "sqlite:///empty.db") as running:
        assert running.process.wait(DEADLINE_SECONDS) == 1
        with pytest.raises(AssertionError):
            running.line("this is the end")
        assert "\n".join(running.lines).count("convexpy db upgrade") == 1


def test_several_processes_need_a_configured_database(shop: Shop) -> None:
    result = shop.cli("worker", "--processes", "2")
    assert result.exit_code == 1
    assert "CONVEXPY_DATABASE" in result.stderr


@pytest.mark.parametrize("number", ["0", "-1", "x", "1.5"])
def test_an_invalid_number_of_processes_is_wrong_usage(production: Shop, number: str) -> None:
    result = production.cli("worker", "--processes", number)
    assert result.exit_code == 2
    assert "--processes" in result.stderr


def test_several_processes_are_refused_on_windows(production: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("convexpy.cli.start"), "os", SimpleNamespace(name="nt"))
    result = production.cli("worker", "--processes", "2")
    assert result.exit_code == 2
    assert "start `convexpy worker` several times" in result.stderr


def test_one_process_is_the_command_itself(production: Shop) -> None:
    with Process(production.root, "worker", "--processes", "1") as running:
        assert "process" not in json.loads(running.line("running:"))
        plan(production, '{"holds": 1}')
        assert int(running.line("^holds").split()[1]) == running.process.pid
        production.write("gate", "")
        assert running.stop() == 0
