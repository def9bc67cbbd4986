"""What is typed on the command line: the options that several commands share, and JSON objects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer

from .failure import WrongUsage

ProjectOption = Annotated[
    Path, typer.Option("--project", "-p", metavar="PATH", help="The project's folder.", show_default="here")
]
DatabaseOption = Annotated[
    str | None, typer.Option("--database", metavar="URL", help="Use this database instead of the configured one.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
AllowUnappliedOption = Annotated[
    bool, typer.Option("--allow-unapplied", help="Run although revisions have not been applied to the database.")
]
HostOption = Annotated[
    str | None, typer.Option("--host", metavar="HOST", help="Listen at this address instead of the configured one.")
]
PortOption = Annotated[
    int | None,
    typer.Option("--port", metavar="PORT", min=0, max=65535, help="Listen at this port. 0: any that is free."),
]

HERE = Path()

WINDOW: Final = 60


def parse_object(text: str, what: str, example: str) -> dict[str, Any]:
    """The JSON object in an argument.

    Raises:
        WrongUsage: It is not JSON, or not an object. The error says ``what`` is expected, with an ``example``.
    """
    fix = f"Write {what} as a JSON object, in single quotes for the shell: '{example}'"
    try:
        value = json.loads(text, parse_constant=refuse_constant)
    except json.JSONDecodeError as error:
        raise WrongUsage(f"{what}: this is not JSON: {error.msg}\n{pointed(error)}", fix) from None
    except (ValueError, RecursionError) as error:
        raise WrongUsage(f"{what}: this is not JSON: {error}", fix) from None
    if not isinstance(value, dict):
        raise WrongUsage(f"{what}: {JSON_NAMES[type(value)]} was given, not an object:\n  {text[:WINDOW]}", fix)
    return value


def refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def pointed(error: json.JSONDecodeError) -> str:
    """The line with the mistake, and a caret under it."""
    line = error.doc.split("\n")[error.lineno - 1]
    column = error.colno - 1
    start = max(0, column - WINDOW // 2)
    return f"  {line[start : start + WINDOW]}\n  {' ' * (column - start)}^"


JSON_NAMES: Final = {
    list: "an array",
    str: "a string",
    int: "a number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}
