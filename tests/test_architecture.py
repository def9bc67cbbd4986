"""The shape of the house: imports run one way, and every file is short, named by a noun, and says its purpose."""

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import convexpy

PROJECT = Path(__file__).parents[1]
PACKAGE = PROJECT / "convexpy"
TEMPLATES = PACKAGE / "cli" / "template", PACKAGE / "cli" / "template_web"  # users' projects import as users do
FILES = sorted(path for path in PACKAGE.rglob("*.py") if not any(map(path.is_relative_to, TEMPLATES)))
DOORS = {PACKAGE / "__init__.py", PACKAGE / "pytest_plugin.py"}
LONGEST_FILE = 450
LONGEST_FUNCTION = 60
EMPTY_WORDS = {"util", "utils", "helper", "helpers", "manager", "managers", "base", "common", "misc"}


def check_imports(project: Path, *contracts: str) -> subprocess.CompletedProcess[str]:
    """Hold a project's code against the contracts in its pyproject.toml, all or only these."""
    lint = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    options = ["--no-cache", "--no-logo", *(f"--contract={contract}" for contract in contracts)]
    return subprocess.run([sys.executable, "-c", lint, *options], cwd=project, capture_output=True, text=True)


def copy_with(line: str, file: str, folder: Path) -> Path:
    """A copy of the project in which one file has one more import, or is made for it."""
    shutil.copy(PROJECT / "pyproject.toml", folder)
    shutil.copytree(PACKAGE, folder / "convexpy", ignore=shutil.ignore_patterns("__pycache__"))
    with (folder / "convexpy" / file).open("a", encoding="utf-8") as changed:
        changed.write(f"\n{line}\n")
    return folder


def test_imports_keep_every_contract_of_the_architecture() -> None:
    checked = check_imports(PROJECT)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize(
    ("contract", "file", "line"),
    [
        pytest.param("house", "functions/registry.py", "from ..runtime.events import Run", id="upward"),
        pytest.param("house", "functions/registry.py", "from ..database import jobs", id="sideward"),
        pytest.param("house", "novelty.py", "import json", id="a-module-without-a-place"),
        pytest.param("root", "database/jobs.py", "from .. import JobId", id="the-package-root"),
        pytest.param("cycles", "functions/validate.py", "from .declare import Kind", id="a-cycle"),
        pytest.param("croniter", "dispatch/cron_scheduler.py", "import croniter", id="croniter"),
        pytest.param("alembic", "database/jobs.py", "from alembic import op", id="alembic"),
        pytest.param("terminal", "app.py", "import typer", id="a-terminal"),
        pytest.param("asyncio", "database/database.py", "import asyncio", id="asyncio"),
        pytest.param("declarations", "functions/validate.py", "import sqlalchemy", id="a-database"),
    ],
)
def test_an_import_against_the_architecture_is_caught(contract: str, file: str, line: str, tmp_path: Path) -> None:
    checked = check_imports(copy_with(line, file, tmp_path), contract)
    assert checked.returncode == 1
    assert "0 kept, 1 broken" in checked.stdout
    assert Path(file).stem in checked.stdout.partition("Broken contracts")[2]


# Complaints: what one file does against the rules, each with its line.


def too_long(path: Path, tree: ast.Module) -> Iterator[str]:
    length = len(path.read_text("utf-8").splitlines())
    if length > LONGEST_FILE:
        yield f"the file has {length} lines; split it, one noun a file"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            lines = node.end_lineno - node.lineno + 1
            if lines > LONGEST_FUNCTION:
                yield f"{node.lineno}: {node.name} has {lines} lines"


def without_purpose(path: Path, tree: ast.Module) -> Iterator[str]:
    if not ast.get_docstring(tree):
        yield "1: it does not begin with a docstring that says its purpose"


def badly_named(path: Path, tree: ast.Module) -> Iterator[str]:
    names = [path.stem, path.parent.name]
    # `Base` is what every project calls its declarative base.
    names += [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name != "Base"]
    for name in names:
        words = {word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+", name)}
        if words & EMPTY_WORDS:
            yield f"{name} says nothing: name it after what it is"


def absolute_imports(path: Path, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
        if any(module.partition(".")[0] == "convexpy" for module in modules):
            yield f"{node.lineno}: imports inside the package are relative"


def hidden_imports(path: Path, tree: ast.Module) -> Iterator[str]:
    """Imports for the type checker alone are for starting fast: the doors have them, and a file that imports the same
    module later, inside a function. Anywhere else they hide that two modules need each other."""
    if path in DOORS or path.parent.name == "cli":
        return
    own = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]
    blocks = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)]
    unseen = [node for block in blocks for node in ast.walk(block) if node in own]
    for node in own:
        if node in unseen and not any(other.module == node.module for other in own if other not in unseen):
            yield f"{node.lineno}: it imports {node.module} under TYPE_CHECKING only"


RULES = [too_long, without_purpose, badly_named, absolute_imports, hidden_imports]


@pytest.mark.parametrize("rule", RULES)
def test_no_file_breaks_a_rule_of_the_house(rule: Callable[[Path, ast.Module], Iterator[str]]) -> None:
    complaints = [
        f"{path.relative_to(PROJECT)}:{complaint}"
        for path in FILES
        for complaint in rule(path, ast.parse(path.read_text("utf-8")))
    ]
    assert not complaints, "\n".join(complaints)


BAD_LINES = """
from typing import TYPE_CHECKING
import convexpy.errors
if TYPE_CHECKING:
    from ..clock import Clock
class JobManager: ...
def endless():
"""
BAD_FILE = BAD_LINES + "    pass\n" * 450


@pytest.mark.parametrize("rule", RULES)
def test_a_file_that_breaks_every_rule_is_caught_by_each(
    rule: Callable[[Path, ast.Module], Iterator[str]], tmp_path: Path
) -> None:
    file = tmp_path / "utils.py"
    file.write_text(BAD_FILE, "utf-8")
    assert list(rule(file, ast.parse(BAD_FILE)))


# The tests.

TESTS = PROJECT / "tests"
TEST_FILES = sorted(TESTS.rglob("test_*.py"))
PUBLIC = {"convexpy", "convexpy.testing", "convexpy.web"}
# What an app has inside.
PARTS = {"worker", "calls"}
LONGEST_TEST_NAME = 70


def internal_uses(path: Path, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for module in modules:
            if module.partition(".")[0] == "convexpy" and module not in PUBLIC:
                yield f"{node.lineno}: {module} is internal: the test belongs into the folder of what it looks into"
        if isinstance(node, ast.ImportFrom) and node.module == "convexpy":
            hidden = [alias.name for alias in node.names if alias.name not in convexpy.__all__]
            if hidden:
                yield f"{node.lineno}: convexpy.{hidden[0]} is internal"
        if isinstance(node, ast.Attribute) and node.attr in PARTS:
            yield f"{node.lineno}: .{node.attr} is internal"


def long_names(path: Path, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and len(node.name) > LONGEST_TEST_NAME:
            yield f"{node.lineno}: {node.name} has {len(node.name)} characters"


def complaints_of(rule: Callable[[Path, ast.Module], Iterator[str]], files: list[Path]) -> list[str]:
    trees = [(path, ast.parse(path.read_text("utf-8"))) for path in files]
    return [f"{path.relative_to(PROJECT)}:{complaint}" for path, tree in trees for complaint in rule(path, tree)]


def test_promises_are_shown_through_the_public_interface() -> None:
    complaints = complaints_of(internal_uses, [*(TESTS / "promises").rglob("*.py")])
    assert not complaints, "\n".join(complaints)


def test_no_test_name_is_longer_than_a_line_can_show() -> None:
    complaints = complaints_of(long_names, TEST_FILES)
    assert not complaints, "\n".join(complaints)


def test_no_two_test_files_have_one_name() -> None:
    by_name: dict[str, list[str]] = {}
    for path in TEST_FILES:
        by_name.setdefault(path.name, []).append(str(path.relative_to(PROJECT)))
    twice = [" ".join(paths) for paths in by_name.values() if len(paths) > 1]
    assert not twice, "\n".join(twice)


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        (internal_uses, "from convexpy.database import jobs"),
        (internal_uses, "import convexpy.runtime.call"),
        (internal_uses, "from convexpy import app"),
        (internal_uses, "convex.convex.worker.run_due()"),
        (long_names, f"def test_{'x' * LONGEST_TEST_NAME}(): pass"),
    ],
)
def test_a_test_that_breaks_a_rule_is_caught(rule: Callable[[Path, ast.Module], Iterator[str]], line: str) -> None:
    assert list(rule(Path("test_it.py"), ast.parse(line)))
    assert not list(rule(Path("test_it.py"), ast.parse("from convexpy import Convex\ndef test_it(): pass")))
