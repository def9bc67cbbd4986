"""The documentation is true: its code runs, and its commands answer as shown.

How a page is read, in order, in a project of its own:

- A block whose first line is ``# shop/orders.py`` is that file; ``# shop/orders.py, continued`` goes on with it.
- A file called ``test_….py`` is then run with pytest. Any other Python block is executed, in one namespace a page.
- In a ``console`` block, ``$ convexpy …`` and ``$ pytest`` are run and ``$ cd`` is followed; others are not run.
  What stands below a command is its output: ``…`` stands for any text, alone on a line for any lines; ids, times and
  spacing may differ. A command fails if, and only if, its output shown begins with ``error:``.
- ``no-run`` after the language: Python is only compiled, and a command line only parsed.
- ``<!-- test: 10 seconds pass -->`` lets what was scheduled run, as ``convexpy dev`` would meanwhile.
"""

from __future__ import annotations

import gc
import os
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from pages import PAGES, ROOT, name_of
from support.databases import mark_as_test_database
from support.modules import forget_modules_in
from typer.testing import CliRunner

from convexpy.cli import app
from convexpy.project import load_project
from convexpy.testing import ConvexTest

BLOCK = re.compile(r"^```(?P<info>\w[^\n]*)\n(?P<body>.*?)^```$|^<!-- test: (?P<time>.*?) pass -->$", re.M | re.S)
FILE = re.compile(r"# (?P<path>(?!/)[\w./-]+\.\w+)(?P<continued>, continued)?$", re.M)
ALIKE = {
    "ID": re.compile(r"\b[0-9a-f]{32}\b"),
    "DAY": re.compile(r"\b\d{4}-\d\d-\d\d\b"),
    "CLOCK": re.compile(r"\b\d\d:\d\d:\d\d\b"),
    "TIME": re.compile(r"(\bin )?(?<![\w.])\d+(\.\d+)? (ms|s|min|h|d)\b( ago)?|\bnow\b"),
}


@dataclass(frozen=True)
class Step:
    """One block of a page, or one of its remarks that time passes."""

    where: str
    line: int
    info: list[str]
    body: str

    @property
    def runs(self) -> bool:
        return "no-run" not in self.info


def steps(page: Path) -> Iterator[Step]:
    text = page.read_text("utf-8")
    for found in BLOCK.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        info = ["time"] if found["time"] else found["info"].split()
        yield Step(f"{page.relative_to(ROOT)}:{line}", line, info, found["time"] or found["body"])


class Project:
    """The throw-away project of one page."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: dict[str, Any] = {"__name__": "page"}
        (folder / "pyproject.toml").write_text('[tool.convexpy]\nfunctions = "shop"\n')

    def take(self, step: Step) -> None:
        named = FILE.match(step.body)
        language = step.info[0]
        if language == "time":
            self.let_time_pass(step.body)
        elif language == "console":
            for command, output in commands(step.body):
                self.run(command, output) if step.runs else check_usage(command)
        elif language == "python" and not step.runs:
            compile(step.body, step.where, "exec")
        elif named:
            self.write(named["path"], step.body, append=bool(named["continued"]))
            if Path(named["path"]).name.startswith("test_"):
                run_tests(self.folder / named["path"])
        elif language == "python":
            forget_modules_in(self.folder)
            exec(compile("\n" * step.line + step.body, step.where, "exec"), self.names)

    def write(self, path: str, text: str, append: bool) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a" if append else "w", encoding="utf-8") as out:
            out.write(text)
        forget_modules_in(self.folder)

    def run(self, command: str, output: str | None) -> None:
        program, *args = shlex.split(command)
        if program == "cd":
            self.folder /= args[0]
            os.chdir(self.folder)
        elif program == "pytest":
            run_tests(self.folder)
        elif program == "convexpy":
            forget_modules_in(self.folder)
            result = CliRunner().invoke(app, args, prog_name="convexpy")
            fails = (output or "").startswith("error:")
            assert (result.exit_code != 0) is fails, f"$ {command}\nexit code {result.exit_code}\n{result.output}"
            if output is not None:
                assert re.fullmatch(pattern(output), alike(result.output) + "\n"), f"$ {command}\n{result.output}"

    def let_time_pass(self, time: str) -> None:
        forget_modules_in(self.folder)
        number, unit = time.split()
        project = load_project(self.folder)
        project.make_state_folder()
        options: dict[str, Any] = {"metadata": project.find_metadata(), "database_url": project.database}
        mark_as_test_database(project.database)
        with ConvexTest(project.functions, **options, settings=project.settings, now=datetime.now(UTC)) as convex:
            convex.advance(timedelta(**{f"{unit.removesuffix('s')}s": float(number)}))

    def check(self) -> None:
        """Every module of the page can be loaded, also those that nothing on it calls."""
        if any(path.is_dir() and path.name != "tests" for path in self.folder.iterdir()):
            self.run("convexpy check", None)


def commands(body: str) -> Iterator[tuple[str, str | None]]:
    """Every command of a console block, and the output that is shown below it, if any."""
    for part in re.split(r"^\$ ", body, flags=re.M)[1:]:
        command, _, output = part.replace("\\\n", "").partition("\n")
        yield command, output.strip("\n") or None


def alike(text: str) -> str:
    """The same text with what differs from run to run taken out."""
    for word, expression in ALIKE.items():
        text = expression.sub(word, text)
    return "\n".join(" ".join(line.split()) for line in text.strip().splitlines())


def pattern(output: str) -> str:
    """What the actual output, each line with its end, must match in full."""
    lines = alike(output).splitlines()
    exact = [r"[^\n]*".join(map(re.escape, line.split("…"))) + r"\n" for line in lines]
    return "".join(r"([^\n]*\n)*" if line == "…" else each for line, each in zip(lines, exact, strict=True))


def check_usage(command: str) -> None:
    """The command exists, and so do its options."""
    program, *args = shlex.split(command)
    if program == "convexpy":
        found: Any = typer.main.get_command(app)
        while hasattr(found, "commands") and args and not args[0].startswith("-"):
            found = found.commands[args.pop(0)]
        found.make_context("convexpy", list(args), resilient_parsing=False).close()


def run_tests(path: Path) -> None:
    forget_modules_in(path.parent)
    gc.freeze()  # pytest collects garbage several times a run, and need not look at what the suite itself has made
    options = "-q -s --import-mode=importlib -p no:cacheprovider -p no:faulthandler -p convexpy.pytest_plugin"
    warnings = "-W error -W ignore::pytest.PytestAssertRewriteWarning"  # the plugin is imported already
    assert pytest.main([*options.split(), *warnings.split(), str(path)]) == 0, f"{path.name} failed"
    forget_modules_in(path.parent)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    for name in [name for name in os.environ if name.startswith(("CONVEXPY_", "PYTEST_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # two writes within a second would look like one
    monkeypatch.chdir(tmp_path)
    # Of our own modules some have names that a page gives to its own.
    ours = [name for name in sys.modules if name.startswith(("shop", "my_app", "test_")) and name != __name__]
    others = {name: sys.modules.pop(name) for name in ours}
    yield Project(tmp_path)
    forget_modules_in(tmp_path)
    sys.modules.update(others)


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # a snippet need not close its engine
@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_a_page_shows_works(page: Path, project: Project) -> None:
    for step in steps(page):
        try:
            project.take(step)
        except BaseException as error:
            error.add_note(f"in {step.where}")
            raise
    project.check()
    project.names.clear()
    gc.collect()
