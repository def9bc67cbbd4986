"""The command line itself: help, version, exit codes, and what it does not import."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version

import pytest

from .process import environment, python_module
from .shop import Shop

HEAVY = ("alembic", "sqlalchemy", "croniter", "watchfiles", "rich", "pydantic_settings", "asyncio")


def imported_by(*args: str) -> set[str]:
    """The heavy modules that a command imports."""
    script = (
        "import sys, atexit\n"
        f"atexit.register(lambda: print('imported', [m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr))\n"
        f"sys.argv = ['convexpy', *{list(args)!r}]\n"
        "from convexpy.cli import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], env=environment(), capture_output=True, text=True)
    line = next(line for line in done.stderr.splitlines() if line.startswith("imported "))
    return {name for name in HEAVY if repr(name) in line}


@pytest.mark.parametrize("args", [("--help",), ("run", "--help"), ("jobs", "list", "--wrong"), ("run", "f", "{")])
def test_help_and_usage_errors_import_no_heavy_library(args: tuple[str, ...]) -> None:
    assert imported_by(*args) == set()


def test_version_is_the_version_of_the_installed_package(shop: Shop) -> None:
    try:
        expected = version("convexpy")
    except PackageNotFoundError:
        pytest.skip("convexpy is not installed here, so it has no version")
    result = shop.cli("--version")
    assert (result.exit_code, result.stdout.strip()) == (0, expected)


def test_python_dash_m_convexpy_is_the_same_command(shop: Shop) -> None:
    done = python_module(shop.root, "convexpy", "--help")
    assert done.returncode == 0
    assert "Usage: convexpy" in done.stdout


def test_help_says_what_the_exit_codes_mean(shop: Shop) -> None:
    assert "Exit codes: 0" in shop.cli("--help").stdout


def test_an_unknown_command_exits_2_and_names_the_nearest(shop: Shop) -> None:
    result = shop.cli("function")
    assert result.exit_code == 2
    assert "functions" in result.stderr


def test_an_unknown_option_exits_2(shop: Shop) -> None:
    assert shop.cli("jobs", "list", "--stat", "failed").exit_code == 2


@pytest.mark.parametrize("command", [["functions"], ["check"], ["run", "x:y"], ["jobs", "list"], ["crons", "list"]])
def test_a_folder_that_does_not_exist_is_said_so(shop: Shop, command: list[str]) -> None:
    result = shop.cli(*command, "--project", "nowhere")
    assert result.exit_code == 1
    assert "nowhere: there is no such folder" in result.output
