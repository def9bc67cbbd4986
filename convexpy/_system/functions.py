"""``_system/functions``: what the app consists of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self

from ..functions.declare import Kind, Visibility
from ..functions.http_routes import AnyRoute
from ..functions.registry import AnyFunction
from .context import SystemQueryCtx, system_query
from .document import Document


class FunctionInfo(Document):
    """A function of the app; ``arguments`` and ``result`` are JSON schemas."""

    name: str
    kind: Kind
    visibility: Visibility
    aliases: tuple[str, ...]
    place: str
    arguments: dict[str, Any]
    result: dict[str, Any]

    @classmethod
    def of(cls, function: AnyFunction) -> Self:
        return cls(
            name=function.name,
            kind=function.kind,
            visibility=function.visibility,
            aliases=function.aliases,
            place=function.place,
            arguments=function.arguments_schema,
            result=function.result_schema,
        )


class RouteInfo(Document):
    """A route of the app: which requests it answers."""

    name: str
    kind: Literal["route"] = "route"
    visibility: Visibility
    method: str
    path: str
    place: str
    arguments: dict[str, Any]
    """The JSON schema of the path's parameters."""

    @classmethod
    def of(cls, route: AnyRoute) -> Self:
        return cls(
            name=route.name,
            visibility=route.visibility,
            method=route.method,
            path=route.path,
            place=route.place,
            arguments=route.arguments.json_schema(),
        )


@system_query
def list(ctx: SystemQueryCtx) -> Sequence[FunctionInfo]:
    """Every function of the app, by name. Those of the framework are not among them."""
    return [FunctionInfo.of(function) for function in ctx.app.registry.functions.values()]


@system_query
def routes(ctx: SystemQueryCtx) -> Sequence[RouteInfo]:
    """Every route of the app."""
    return [RouteInfo.of(route) for route in ctx.app.registry.routes]
