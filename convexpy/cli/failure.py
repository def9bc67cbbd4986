"""Failures of a command: what happened, where and what to do, and the exit code.

Exit codes: 0, success. 1, a problem in the app, its settings or its database, or a function that failed.
2, a wrong command line: an unknown command or option, or malformed JSON.
"""

from __future__ import annotations

import linecache
import os
import re
import sys
from pathlib import Path
from typing import Final

from ..errors import ConvexError, DatabaseError, LoadError, SettingsError, text_of
from .output import escaped, say

PROBLEM: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130

PLACE: Final = re.compile(r"(?P<file>[^\n:]+\.py):(?P<line>\d+): ")

INSUFFICIENT_PRIVILEGE: Final = "42501"

EXPECTED: Final = (ConvexError, DatabaseError, LoadError, SettingsError)


class Failure(Exception):
    """A command failed: ``what`` happened, and how to ``fix`` it."""

    exit_code = PROBLEM

    def __init__(self, what: str, fix: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix


class WrongUsage(Failure):
    """The command line is wrong."""

    exit_code = USAGE


def frame(error: Exception) -> Failure:
    """The failure that a command prints for an expected error."""
    if isinstance(error, Failure):
        return error
    if isinstance(error, LoadError):
        return Failure(f"the app cannot be loaded:\n{listed([with_source(problem) for problem in error.problems])}")
    if isinstance(error, SettingsError):
        return Failure(f"the project's settings are wrong:\n{listed(str(error).splitlines())}")
    if isinstance(error, DatabaseError):
        return Failure(f"the database cannot be used:\n{listed([str(error)])}")
    return Failure(error.message if isinstance(error, ConvexError) else str(error))


def unexpected(error: Exception) -> Failure | None:
    """The failure that a command prints for an error of a database or of the file system. None: it is a bug."""
    if isinstance(error, PermissionError):
        return Failure(f"{error.filename or 'a file'}: {error.strerror}", "This user needs the right to use it.")
    if "sqlalchemy" not in sys.modules:
        return None  # a wrong command line: to import it would take a while
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    from ..database.errors import driver_error

    driver = driver_error(error)
    if driver is None and not isinstance(error, SQLAlchemyError):
        return None
    text = text_of(error.orig if isinstance(error, DBAPIError) and error.orig is not None else error)
    lacks_rights = getattr(driver, "sqlstate", None) == INSUFFICIENT_PRIVILEGE
    return Failure(
        f"the database cannot be used:\n  {' '.join(text.partition('[SQL:')[0].split())}",
        "Grant this to the role of the URL, or use another one with --database." if lacks_rights else None,
    )


def listed(problems: list[str]) -> str:
    """The problems as an indented block, each once, with paths relative to the current folder."""
    here = f"{Path.cwd()}{os.sep}"
    unique = dict.fromkeys(problem.replace(here, "") for problem in problems)
    return "\n".join("  " + problem.replace("\n", "\n  ") for problem in unique)


def with_source(problem: str) -> str:
    """A problem, with its line of code below it."""
    place = PLACE.match(problem)
    if place is None or "\n" in problem:
        return problem
    linecache.checkcache(place["file"])
    source = linecache.getline(place["file"], int(place["line"])).strip()
    return f"{problem}\n    {source}" if source else problem


def report(failure: Failure, *, to_stderr: bool = True) -> None:
    """Print a failure."""
    say(f"error: {escaped(failure.what)}", style="red", to_stderr=to_stderr)
    if failure.fix:
        say(escaped(failure.fix), to_stderr=to_stderr)
