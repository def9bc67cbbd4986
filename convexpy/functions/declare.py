"""A declared function: its handler, kind, visibility and schemas."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import Field
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, ParamSpec, TypeVar, cast

from ..errors import LoadError
from .defaults import Defaults
from .validate import Arguments, ReturnValue

P = ParamSpec("P")
C_contra = TypeVar("C_contra", contravariant=True)
Raw_co = TypeVar("Raw_co", covariant=True)
R_co = TypeVar("R_co", covariant=True)


class Kind(StrEnum):
    """What a function may do."""

    QUERY = "query"
    MUTATION = "mutation"
    ACTION = "action"

    @property
    def phrase(self) -> str:
        """``a query``, ``an action``: for error messages."""
        return f"an {self}" if self is Kind.ACTION else f"a {self}"


class Visibility(StrEnum):
    """Which calls reach a function: those of clients too, or only the server's own."""

    PUBLIC = "public"
    INTERNAL = "internal"


class Function(Generic[C_contra, P, Raw_co, R_co]):
    """A declared function. Calling it, ``charge(ctx, order_id="x")``, runs the handler and nothing else."""

    kind: Kind
    noun: str
    """What it is, for messages and lists: its kind, or a route."""

    def __init__(
        self,
        handler: Callable[..., Any],
        visibility: Visibility,
        middleware: tuple[Callable[..., Any], ...] = (),
        meta: Mapping[str, object] = MappingProxyType({}),
        aliases: tuple[str, ...] = (),
    ) -> None:
        self.handler = handler
        self.visibility = visibility
        self.middleware = middleware
        self.meta = MappingProxyType(dict(meta))
        self.aliases = aliases
        self.reads: tuple[object, ...] = ()
        """Of a query: the mapped classes, attributes and tables that it says it reads."""
        self.refresh: timedelta | None = None
        """Of a query: how often a subscription runs it again, whatever was written."""
        self.name = f"{handler.__module__}:{handler.__qualname__}"
        """``"orders:charge"``: the place in the app. Before the app is loaded, the place in Python."""
        self.defaults = Defaults(handler)
        """Those of its defaults that a run could change."""
        self.is_async = inspect.iscoroutinefunction(handler)
        """Whether the handler is ``async def``."""
        self.__doc__ = handler.__doc__
        self.__name__ = handler.__name__
        self.__module__ = handler.__module__
        self.__wrapped__ = handler

    def __call__(self, ctx: C_contra, /, *args: P.args, **kwargs: P.kwargs) -> Raw_co:
        return cast(Raw_co, self.handler(ctx, *args, **self.defaults.fill(kwargs, len(args))))

    @property
    def place(self) -> str:
        """The file and line of the handler."""
        return place_of(self.handler)

    @cached_property
    def arguments(self) -> Arguments:
        """The schema of the arguments. Raises LoadError if the annotations cannot be used."""
        return Arguments(self.handler, self.place)

    @cached_property
    def result(self) -> ReturnValue:
        """What checks the return value. Raises LoadError if the annotation cannot be used."""
        return ReturnValue(self.handler, self.place)

    @property
    def arguments_schema(self) -> dict[str, Any]:
        """The JSON schema of the arguments, an object."""
        return self.arguments.json_schema()

    @property
    def result_schema(self) -> dict[str, Any]:
        """The JSON schema of the result."""
        return self.result.json_schema()

    def __repr__(self) -> str:
        return f"<{self.visibility} {self.kind} {self.name}>"


class SchedulableFunction(Function[C_contra, P, Raw_co, R_co]):
    """A mutation or an action: what can be scheduled and what a cron can run."""


class QueryFunction(Function[C_contra, P, R_co, R_co]):
    """Reads one snapshot."""

    kind = Kind.QUERY
    noun = "query"


class MutationFunction(SchedulableFunction[C_contra, P, R_co, R_co]):
    """Reads and writes in one serializable transaction."""

    kind = Kind.MUTATION
    noun = "mutation"


class ActionFunction(SchedulableFunction[C_contra, P, Raw_co, R_co]):
    """Calls the outside world."""

    kind = Kind.ACTION
    noun = "action"


def check_handler(handler: Callable[..., Any], kind: Kind) -> None:
    """Refuse a signature that cannot become a schema. Called by the decorator."""
    if not inspect.isfunction(handler):
        raise LoadError([f"@{kind} decorates a plain function, not {handler!r}"])
    where = f"{place_of(handler)}: {kind} {handler.__name__!r}"
    parameters = list(inspect.signature(handler).parameters.values())
    if not parameters or parameters[0].kind not in (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
    ):
        raise LoadError([f"{where} takes no context: make its first parameter `ctx`"])
    for parameter in parameters[1:]:
        problem = parameter_problem(parameter)
        if problem:
            raise LoadError([f"{where}, parameter {str(parameter).split(':')[0]!r}: {problem}"])


def parameter_problem(parameter: inspect.Parameter) -> str | None:
    """Why this parameter cannot be part of an input schema, or None."""
    if parameter.kind is inspect.Parameter.VAR_POSITIONAL or parameter.kind is inspect.Parameter.VAR_KEYWORD:
        return "*args and **kwargs have no schema. Name every parameter; for a free form use one `dict` parameter"
    if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
        return "arguments are passed and stored by name, so they cannot be positional-only. Remove the `/`"
    if parameter.name.startswith("_"):
        return "a name that starts with an underscore is private. Rename it"
    if parameter.default is Ellipsis:
        return "`...` would be its value. A parameter without a default is required: remove the `= ...`"
    if isinstance(parameter.default, Field):
        return "`field(…)` belongs into a dataclass. Write the default itself: each run gets a copy of it"
    if type(parameter.default).__name__ == "FieldInfo":
        return "give constraints with Annotated, `x: Annotated[int, Field(gt=0)] = 5`, not as the default"
    return None


def place_of(handler: Callable[..., Any]) -> str:
    """``shop/orders.py:12``, relative to the current folder if it is inside."""
    code = handler.__code__
    path = Path(code.co_filename)
    if path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return f"{path}:{code.co_firstlineno}"
