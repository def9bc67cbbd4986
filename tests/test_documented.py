"""Nothing public is missing from the documentation, and its links lead somewhere."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from pages import DOCS, PAGES, name_of, text_of

import convexpy
from convexpy import Settings, errors
from convexpy.cli import app
from convexpy.functions.timetable import CronExpression
from convexpy.project import Keys
from convexpy.testing import ConvexTest


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


@pytest.mark.parametrize("page", PAGES, ids=name_of)
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
