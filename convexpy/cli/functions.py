"""``convexpy functions``: every function of the app, with its signature, and every route."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from .arguments import HERE, JsonOption, ProjectOption
from .opening import loaded
from .output import show_json, show_table

if TYPE_CHECKING:
    from ..functions.registry import AnyFunction


def functions(project: ProjectOption = HERE, as_json: JsonOption = False) -> None:
    """List the app's functions and routes."""
    from .._system.functions import FunctionInfo, RouteInfo
    from ..project import load_project

    registry = loaded(load_project(project)).registry
    found, routes = registry.functions.values(), registry.routes
    if as_json:
        documents = [FunctionInfo.of(function) for function in found], [RouteInfo.of(route) for route in routes]
        show_json([each.to_json() for listed in documents for each in listed])
        return
    rows = [(each.name, str(each.kind), each.visibility, signature(each), each.place) for each in found]
    rows += [(each.name, each.noun, each.visibility, f"{each.method} {each.path}", each.place) for each in routes]
    show_table(("FUNCTION", "KIND", "VISIBILITY", "ARGUMENTS", "PLACE"), rows, "The app has no functions yet.")


def signature(function: AnyFunction) -> str:
    """``order_id: str, amount: int = 1``: the handler's parameters, without the context."""
    parameters = list(inspect.signature(function.handler).parameters.values())[1:]
    return ", ".join(str(parameter).replace("'", "") for parameter in parameters)
