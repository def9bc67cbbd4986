"""Apps made on the spot, and the time at which tests begin."""

from __future__ import annotations

from datetime import UTC, datetime
from types import ModuleType

from convexpy import ConvexError

START = datetime(2030, 1, 7, 12, tzinfo=UTC)  # a Monday


def app_of(*functions: object, **members: object) -> ModuleType:
    """An app that is one file, made of functions and of whatever else is given by name."""
    module = ModuleType("made")
    for function in functions:
        members[function.__name__] = function  # type: ignore[attr-defined]
    vars(module).update(members)
    return module


def code_of(error: ConvexError) -> tuple[str, int]:
    """The code of an error and its HTTP status."""
    return error.code, error.status
