"""The defaults of a handler's parameters. Python keeps one object for all calls; each run gets a copy of its own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, NamedTuple


class Default(NamedTuple):
    """A default that a handler may change. ``position``: of its parameter, behind the context."""

    position: int
    name: str
    value: object


class Defaults:
    """Those defaults of one handler that a handler may change: lists, dicts, models."""

    def __init__(self, handler: Callable[..., Any]) -> None:
        parameters = list(inspect.signature(handler).parameters.values())[1:]
        self._changeable = tuple(
            Default(position, parameter.name, parameter.default)
            for position, parameter in enumerate(parameters)
            if is_changeable(parameter.default)
        )

    def fill(self, values: Mapping[str, Any], positional: int = 0) -> Mapping[str, Any]:
        """The arguments of one run by name, with copies of the defaults that it needs.

        Args:
            values: The arguments given by name.
            positional: How many are given by position besides.
        """
        if not self._changeable:
            return values
        missing = [each for each in self._changeable if each.position >= positional and each.name not in values]
        return {**values, **{each.name: deepcopy(each.value) for each in missing}}


def is_changeable(value: object) -> bool:
    """Whether a copy may stand for a default. ``object()``, as a mark, is equal to no copy, and stays what it is."""
    if value is inspect.Parameter.empty:
        return False
    try:
        copy = deepcopy(value)
        return copy is not value and bool(copy == value)
    except Exception:  # what cannot be copied or compared
        return False
