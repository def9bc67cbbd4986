"""The documentation is true: its code runs, its commands answer as shown, and nothing public is missing from it.

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
import importlib
import inspect
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
from typer.testing import CliRunner

import convexpy
from convexpy import Settings, errors
from convexpy.cli import app
from convexpy.cli.opening import make_state_folder
from convexpy.functions.timetable import CronExpression
from convexpy.project import Keys, load_project
from convexpy.testing import ConvexTest

ROOT = Path(__file__).parent.parent
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [page for page in [ROOT / "README.md", *DOCS] if page.exists()]
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
            forget(self.folder)
            exec(compile("\n" * step.line + step.body, step.where, "exec"), self.names)

    def write(self, path: str, text: str, append: bool) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a" if append else "w", encoding="utf-8") as out:
            out.write(text)
        forget(self.folder)

    def run(self, command: str, output: str | None) -> None:
        program, *args = shlex.split(command)
        if program == "cd":
            self.folder /= args[0]
            os.chdir(self.folder)
        elif program == "pytest":
            run_tests(self.folder)
        elif program == "convexpy":
            forget(self.folder)
            result = CliRunner().invoke(app, args, prog_name="convexpy")
            fails = (output or "").startswith("error:")
            assert (result.exit_code != 0) is fails, f"$ {command}\nexit code {result.exit_code}\n{result.output}"
            if output is not None:
                assert re.fullmatch(pattern(output), alike(result.output) + "\n"), f"$ {command}\n{result.output}"

    def let_time_pass(self, time: str) -> None:
        forget(self.folder)
        number, unit = time.split()
        project = load_project(self.folder)
        make_state_folder(project)
        options: dict[str, Any] = {"metadata": project.find_metadata(), "database_url": project.database}
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
    forget(path.parent)
    options = "-q -s --import-mode=importlib -p no:cacheprovider -p no:faulthandler -p convexpy.pytest_plugin"
    warnings = "-W error -W ignore::pytest.PytestAssertRewriteWarning"  # the plugin is imported already
    assert pytest.main([*options.split(), *warnings.split(), str(path)]) == 0, f"{path.name} failed"
    forget(path.parent)


def forget(folder: Path) -> None:
    """Let the project's modules be imported afresh."""
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(str(folder)):
            del sys.modules[name]
    importlib.invalidate_caches()


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
    forget(tmp_path)
    sys.modules.update(others)


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # a snippet need not close its engine
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
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


def text_of(*names: str) -> str:
    return "\n".join((ROOT / "docs" / name).read_text("utf-8") for name in names)


def test_every_public_name_is_documented() -> None:
    words = set(re.findall(r"\w+", "\n".join(page.read_text("utf-8") for page in DOCS)))
    assert sorted(set(convexpy.__all__) - words) == []


def test_every_method_of_the_testing_kit_is_documented() -> None:
    text = text_of("testing.md")
    assert [name for name in vars(ConvexTest) if name[0] != "_" and f"`{name}" not in text] == []


def test_every_error_is_documented() -> None:
    text = text_of("errors-and-retries.md")
    classes = [name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, Exception)]
    assert [name for name in classes if f"`{name}" not in text] == []
    assert [code for code, status in errors.HTTP_STATUS.items() if f"| `{code}` | {status} |" not in text] == []


def test_every_setting_is_documented_with_its_default_and_its_variable() -> None:
    text = text_of("command-line.md")
    rows = [f"| `{key}` | {shown(field)} | `CONVEXPY_{key.upper()}` |" for key, field in Keys.model_fields.items()]
    assert [row for row in rows if row not in text] == []
    assert Settings.model_fields.keys() <= Keys.model_fields.keys()


def shown(field: Any) -> str:
    """A default as the table of settings shows it."""
    if field.is_required():
        return "required"
    value = field.default
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
        size, unit = next(each for each in ((86400, "d"), (60, "min"), (1, "s"), (0.001, "ms")) if seconds >= each[0])
        return f"{seconds / size:g} {unit}"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "none" if value is None else f"{value:,}" if isinstance(value, int) else f"`{value}`"


def test_every_command_and_option_is_documented() -> None:
    text = text_of("command-line.md")
    missing = []
    for name, command in every_command(typer.main.get_command(app), "convexpy"):
        described = re.search(rf"^#+ `{name}\b.*?(?=^#+ `convexpy|\Z)", text, re.M | re.S)
        section = described[0] if described else ""
        missing += [name] if not section else []
        missing += [
            f"{name} {option}"
            for parameter in command.params
            for option in parameter.opts
            if option.startswith("--") and option not in ("--help", "--install-completion", "--show-completion")
            if option not in section and option not in text.partition("## Commands")[0]
        ]
    assert missing == []


def every_command(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "commands"):
        yield name, command
    for each, part in getattr(command, "commands", {}).items():
        yield from every_command(part, f"{name} {each}")


def test_every_cron_pattern_that_is_shown_is_accepted() -> None:
    table = text_of("crons.md").partition("| pattern | runs |")[2].partition("\n\n")[0]
    patterns = re.findall(r"`([^`]+)`", table)
    assert [CronExpression(pattern).expression for pattern in patterns] == patterns


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)", page.read_text("utf-8"))
    assert [link for link in links if not leads_somewhere(page, *link)] == []


def leads_somewhere(page: Path, path: str, anchor: str) -> bool:
    target = (page.parent / path).resolve() if path else page
    if not anchor or not target.exists():
        return target.exists()
    return anchor in [slug(heading) for heading in re.findall(r"^#+ (.*)$", target.read_text("utf-8"), re.M)]


def slug(heading: str) -> str:
    """The anchor of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
