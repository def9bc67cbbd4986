"""``convexpy functions``: every function of the app, with its signature."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from .arguments import HERE, JsonOption, ProjectOption
from .opening import loaded
from .output import show_json, show_table

if TYPE_CHECKING:
    from ..functions.registry import AnyFunction


def functions(project: ProjectOption = HERE, as_json: JsonOption = False) -> None:
    """List the app's functions."""
    from .._system.functions import FunctionInfo
    from ..project import load_project

    found = loaded(load_project(project)).registry.functions.values()
    if as_json:
        show_json([FunctionInfo.of(function).to_json() for function in found])
        return
    rows = [(each.name, each.kind, each.visibility, signature(each), each.place) for each in found]
    show_table(("FUNCTION", "KIND", "VISIBILITY", "ARGUMENTS", "PLACE"), rows, "The app has no functions yet.")


def signature(function: AnyFunction) -> str:
    """``order_id: str, amount: int = 1``: the handler's parameters, without the context."""
    parameters = list(inspect.signature(function.handler).parameters.values())[1:]
    return ", ".join(str(parameter).replace("'", "") for parameter in parameters)
