"""Failures of a command: what happened, where and what to do, and the exit code.

Exit codes: 0, success. 1, a problem in the app, its settings or its database, or a function that failed.
2, a wrong command line: an unknown command or option, or malformed JSON.
"""

from __future__ import annotations

import linecache
import os
import re
from pathlib import Path
from typing import Final

from ..errors import ConvexError, DatabaseError, LoadError, SettingsError
from .output import escaped, say

PROBLEM: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130

PLACE: Final = re.compile(r"(?P<file>[^\n:]+\.py):(?P<line>\d+): ")

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
