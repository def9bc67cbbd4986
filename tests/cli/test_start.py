"""``convexpy start`` and ``convexpy worker``: an app in production."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from .process import DEADLINE_SECONDS, Process
from .shop import Shop

CONFIGURED = '[tool.convexpy]\nfunctions = "shop"\ndatabase = "sqlite:///shop.db"\n'


@pytest.fixture
def production(shop: Shop) -> Shop:
    shop.write("pyproject.toml", CONFIGURED)
    shop.apply_revision()
    return shop


@pytest.mark.parametrize("command", ["worker", pytest.param("start", marks=pytest.mark.long)])
def test_it_runs_what_is_scheduled_and_stops_cleanly(production: Shop, command: str) -> None:
    with Process(production.root, command) as server:
        server.line('"running: 7 functions, 1 cron"')
        production.cli("run", "orders:place", '{"order_id": "o1", "delay_seconds": 0}')
        run = json.loads(server.line('"orders:charge"'))
        assert (run["kind"], run["outcome"], run["attempt"], run["error"]) == ("action", "success", 1, None)
        assert server.stop(signal.SIGINT) == 0
    assert production.cli("run", "orders:statuses").stdout == '{"o1": "paid"}\n'


@pytest.mark.parametrize("command", ["worker", pytest.param("start", marks=pytest.mark.long)])
def test_told_to_stop_while_it_still_starts_it_ends_as_cleanly(production: Shop, command: str) -> None:
    production.write("shop/slow.py", "import threading\nprint('starts', flush=True)\nthreading.Event().wait()\n")
    with Process(production.root, command) as server:
        server.line("starts")
        assert server.stop() == 0


def test_told_to_stop_while_a_dataclass_is_made_it_ends_as_cleanly(production: Shop) -> None:
    """CPython remembers an interrupt inside of an exec of text, and used to end the process by SIGINT for it."""
    production.write("shop/slow.py", "exec('import os, signal; os.kill(os.getpid(), signal.SIGTERM)')\n")
    with Process(production.root, "worker") as server:
        assert server.process.wait(DEADLINE_SECONDS) == 0


@pytest.mark.parametrize("command", ["worker", "dev"])
def test_a_request_to_stop_that_another_thread_receives_is_heard(production: Shop, command: str) -> None:
    """Whichever thread the system hands a signal to, Python acts on it in the main one, which may just be waiting."""
    if not Path("/proc/self/task").is_dir():
        pytest.skip("there is no /proc here, which tells of another process's threads")
    with Process(production.root, command) as server:
        server.line("running:|ready")
        server.signal_another_thread(signal.SIGTERM)
        assert server.process.wait(DEADLINE_SECONDS) == 0


def test_every_line_is_json_when_nobody_looks_and_arguments_are_not_logged(production: Shop) -> None:
    with Process(production.root, "worker") as server:
        server.line("running")
        production.cli("run", "orders:place", '{"order_id": "tr0ub4dor", "delay_seconds": 0}')
        server.line('"orders:charge"')
        server.stop()
        assert all(isinstance(json.loads(line), dict) for line in server.lines)
        assert "tr0ub4dor" not in "".join(server.lines)


def test_a_job_that_fails_is_one_line_with_level_message_and_traceback(production: Shop) -> None:
    production.change(
        "shop/orders.py",
        "    ctx.run_mutation(mark,",
        "    ctx.log.info('charges', extra={'cups': 3})\n    ctx.run_mutation(mark,",
    )
    production.change("shop/orders.py", 'status="paid")', 'status="paid")\n    raise ValueError("no money")')
    with Process(production.root, "worker") as server:
        server.line("running")
        production.cli("run", "orders:place", '{"order_id": "o1", "delay_seconds": 0}')
        said = json.loads(server.line('"charges"'))
        failed = json.loads(server.line("no money"))
        server.stop()
        assert len([line for line in server.lines if "no money" in line]) == 1
    assert (said["level"], said["logger"], said["cups"], said["function"]) == (
        "INFO",
        "shop.orders",
        3,
        "orders:charge",
    )
    assert said["job"] == failed["job"]
    assert (failed["level"], failed["logger"], failed["outcome"]) == ("ERROR", "convexpy.run", "failed")
    assert failed["message"].endswith(": ValueError: no money")
    assert "raise ValueError" in failed["traceback"]


@pytest.mark.parametrize("command", ["start", "worker"])
def test_without_a_configured_database_it_refuses(shop: Shop, command: str) -> None:
    before = shop.files()
    result = shop.cli(command)
    assert result.exit_code == 1
    assert "CONVEXPY_DATABASE" in result.stderr
    assert shop.files() == before


def test_a_database_that_is_not_migrated_is_refused(shop: Shop) -> None:
    with Process(shop.root, "worker", "--database", "sqlite:///shop.db") as server:
        server.line("convexpy db upgrade")
        assert server.process.wait(20) == 1


def test_an_app_that_does_not_load_is_refused_with_its_problems(production: Shop) -> None:
    production.write("shop/broken.py", "x = (\n")
    with Process(production.root, "worker") as server:
        server.line("the app cannot be loaded")
        server.line("shop/broken.py:1")
        assert server.process.wait(20) == 1
