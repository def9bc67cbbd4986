"""``convexpy init``: an app that runs at once, and nothing overwritten."""

from __future__ import annotations

import shlex
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from support.strict import MYPY, one_mypy_at_a_time
from typer.testing import CliRunner, Result

from convexpy.cli import app

from .process import Process, python_module

FILES = {
    ".gitignore",
    "README.md",
    "demo/__init__.py",
    "demo/crons.py",
    "demo/models.py",
    "demo/tasks.py",
    "pyproject.toml",
    "tests/test_tasks.py",
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def init(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["init", *arguments], prog_name="convexpy")


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_it_writes_the_app_and_prints_the_tree_and_two_commands(here: Path) -> None:
    result = init("demo")
    assert result.exit_code == 0
    assert files(here / "demo") == FILES
    assert set(result.stdout.split("\n")) >= {f"  {name}" for name in FILES}
    assert result.stdout.endswith("Next:\n  cd demo\n  convexpy dev\n")
    assert "my_app" not in "".join((here / "demo" / name).read_text() for name in FILES)


def test_with_web_it_writes_a_page_as_well(here: Path) -> None:
    assert init("demo", "--with-web").exit_code == 0
    assert files(here / "demo") == FILES | {"demo/web.py", "demo/page.html"}
    assert "<title>demo</title>" in (here / "demo/demo/page.html").read_text()
    assert "then open http://127.0.0.1:3210" in (here / "demo/README.md").read_text()


def test_the_package_name_is_made_from_the_folder_name(here: Path) -> None:
    assert init("apps/my-shop").exit_code == 0
    assert (here / "apps/my-shop/my_shop/tasks.py").exists()
    assert 'functions = "my_shop"' in (here / "apps/my-shop/pyproject.toml").read_text()


def test_only_its_package_would_be_installed(here: Path) -> None:
    # In a container the app is installed. Left to itself, setuptools refuses a project with a migrations folder.
    assert init("apps/my-shop").exit_code == 0
    project = tomllib.loads((here / "apps/my-shop/pyproject.toml").read_text())
    assert project["tool"]["setuptools"]["packages"]["find"] == {"include": ["my_shop*"]}


def test_nothing_is_written_if_any_file_is_in_the_way(here: Path) -> None:
    (here / "demo/demo").mkdir(parents=True)
    (here / "demo/demo/tasks.py").write_text("mine")
    result = init("demo")
    assert result.exit_code == 1
    assert "demo/demo/tasks.py" in result.stderr
    assert files(here / "demo") == {"demo/tasks.py"}
    assert (here / "demo/demo/tasks.py").read_text() == "mine"


def test_other_files_in_the_folder_are_no_hindrance(here: Path) -> None:
    (here / "demo").mkdir()
    (here / "demo/notes.txt").write_text("mine")
    assert init("demo").exit_code == 0


@pytest.mark.parametrize("name", ["typing", "sqlalchemy", "convexpy", "convex", "tests"])
def test_a_name_that_would_hide_another_package_is_refused(here: Path, name: str) -> None:
    result = init(name)
    assert (result.exit_code, files(here)) == (2, set())
    assert f"'{name}' is the name of another Python package" in result.stderr


@pytest.mark.parametrize("name", ["1st", "class", "_x", "a b+", "..", "ünï"])
def test_a_name_that_cannot_be_a_package_is_refused(here: Path, name: str) -> None:
    assert (init(name).exit_code, files(here)) == (2, set())


def test_a_folder_that_cannot_be_written_is_a_clear_error() -> None:
    result = init("/proc/demo")
    assert result.exit_code == 1
    assert "/proc/demo" in result.stderr
    assert "Choose a folder that you may write to" in result.stderr


def test_a_file_in_place_of_a_folder_is_a_clear_error(here: Path) -> None:
    (here / "demo").write_text("mine")
    assert init("demo").exit_code == 1
    assert files(here) == {"demo"}


def test_its_own_tests_pass(here: Path) -> None:
    init("demo")
    is_installed = any(each.value == "convexpy.pytest_plugin" for each in entry_points(group="pytest11"))
    plugin = [] if is_installed else ["-p", "convexpy.pytest_plugin"]
    done = python_module(here / "demo", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", *plugin)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_its_types_are_strict(here: Path) -> None:
    init("demo", "--with-web")
    with one_mypy_at_a_time():
        done = python_module(here / "demo", *MYPY, ".")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_app_loads_without_a_problem_or_a_warning(here: Path) -> None:
    init("demo", "--with-web")
    done = python_module(here / "demo", "convexpy", "check")
    assert (done.stdout, done.stderr, done.returncode) == ("ok: 6 functions, 1 cron, 1 route\n", "", 0)


def test_dev_starts_on_it_at_once_and_its_example_line_works(here: Path) -> None:
    init("demo")
    with Process(here / "demo", "dev") as dev:
        example = dev.line("^try ").partition("try        convexpy ")[2]
        dev.line("^ready in")
        done = python_module(here / "demo", "convexpy", *shlex.split(example))
        assert (done.stdout, done.returncode) == ("1\n", 0)
        assert dev.stop() == 0


def test_no_file_of_a_sqlite_database_gets_into_git(here: Path) -> None:
    init("demo")
    ignored = (here / "demo/.gitignore").read_text().split()
    assert {"*.db", "*.db-wal", "*.db-shm", "*.db.lock", ".convexpy/", ".env"} <= set(ignored)
