"""``HttpRoute``: a handler of HTTP requests, declared by ``@http_route("POST", "/webhooks/stripe/{account}")``."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any, Final, Generic, ParamSpec, TypeVar

from pydantic import ValidationError
from typing_extensions import TypedDict

from ..errors import InvalidArguments, InvalidResult, LoadError
from .declare import ActionFunction, Visibility, check_handler, place_of
from .validate import adapter, path_of, resolved_annotations

P = ParamSpec("P")
C_contra = TypeVar("C_contra", contravariant=True)
Raw_co = TypeVar("Raw_co", covariant=True)
R_co = TypeVar("R_co", covariant=True)

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
RESERVED: Final = ("api", "dashboard")
"""Below these paths the framework answers."""
FRAMEWORKS: Final = frozenset({"/version", "/health", "/ready", "/openapi.json", "/client.js"})
PARAMETER: Final = re.compile(r"\{(?P<name>[A-Za-z_]\w*)(?P<is_rest>:path)?\}")
"""``{account}`` is one segment of a path, ``{rest:path}`` all that follow."""


class HttpRoute(ActionFunction[C_contra, P, Raw_co, R_co], Generic[C_contra, P, Raw_co, R_co]):
    """An action that answers HTTP requests, and is reached in no other way."""

    def __init__(self, method: str, path: str, handler: Callable[..., Any]) -> None:
        super().__init__(handler, Visibility.PUBLIC)
        self.method = method
        self.path = path
        self.request_parameter = list(inspect.signature(handler).parameters)[1]

    noun = "route"

    @cached_property
    def order(self) -> tuple[int, ...]:
        """The more exact one of two patterns comes first: each segment is a text, a parameter, or all the rest."""
        return tuple(2 if ":path}" in each else 1 if "{" in each else 0 for each in self.path.split("/"))

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What paths it answers."""
        expression, end = "", 0
        for found in PARAMETER.finditer(self.path):
            part = f"(?P<{found['name']}>{'.*' if found['is_rest'] else '[^/]+'})"
            expression += re.escape(self.path[end : found.start()]) + part
            end = found.end()
        return re.compile(expression + re.escape(self.path[end:]))

    @cached_property
    def arguments(self) -> Any:
        """What reads the parameters of a path by the handler's annotations."""
        return PathParameters(self)

    @cached_property
    def result(self) -> Any:
        """What checks that the handler returned a response."""
        return ResponseCheck()

    def problems(self) -> Iterator[str]:
        """What is wrong with it, each with its file and line."""
        where = f"{self.place}: route {self.method} {self.path}"
        if self.method not in METHODS:
            yield f"{where}: the method is one of {', '.join(METHODS)}"
        if not self.path.startswith("/"):
            yield f"{where}: the path begins with a slash. Write {'/' + self.path!r}"
        elif self.path.split("/")[1] in RESERVED or self.path in FRAMEWORKS:
            yield f"{where}: the framework itself answers at this path. Choose another"
        elif "//" in self.path or "?" in self.path or "#" in self.path:
            yield f"{where}: a path has no empty segments, no query and no fragment"
        yield from self._parameter_problems(where)

    def _parameter_problems(self, where: str) -> Iterator[str]:
        named = [found["name"] for found in PARAMETER.finditer(self.path)]
        if any(sign in PARAMETER.sub("", self.path) for sign in "{}"):
            yield f"{where}: a parameter of a path is {{name}}, or {{name:path}} for all that follows"
        if len(named) != len(set(named)):
            yield f"{where}: two of its parameters have the same name"
        parameters = {each.name: each for each in self.parameters}
        for name in dict.fromkeys(named):
            if name not in parameters:
                yield f"{where}: {self.__name__!r} has no parameter {name!r}, which the path has"
        for name, parameter in parameters.items():
            if name not in named and parameter.default is inspect.Parameter.empty:
                yield f"{where}: the path has no {{{name}}}, which {self.__name__!r} takes"

    @property
    def parameters(self) -> list[inspect.Parameter]:
        """The handler's parameters besides the context and the request."""
        return list(inspect.signature(self.handler).parameters.values())[2:]


AnyRoute = HttpRoute[Any, ..., Any, Any]


class PathParameters:
    """The parameters of a route's path."""

    def __init__(self, route: AnyRoute) -> None:
        hints = resolved_annotations(route.handler, route.place)
        named = {found["name"] for found in PARAMETER.finditer(route.path)}
        fields = {each.name: hints.get(each.name, str) for each in route.parameters if each.name in named}
        make_shape: Any = TypedDict  # built at run time, which no type checker can follow
        shape = make_shape(f"{route.__name__}_path", fields)
        self.adapter, _ = adapter(shape, f"{route.place}: the parameters of {route.__name__!r}")

    def read(self, function: str, texts: dict[str, str]) -> dict[str, Any]:
        """The values of a request.

        Raises:
            InvalidArguments: A text does not fit its annotation.
        """
        try:
            values: dict[str, Any] = self.adapter.validate_strings(texts)
        except ValidationError as error:
            issues = [
                {"path": path_of(issue["loc"]), "message": issue["msg"], "type": issue["type"]}
                for issue in error.errors(include_url=False, include_context=False, include_input=False)
            ]
            lines = [f"{issue['path']}: {issue['message']}" for issue in issues]
            raise InvalidArguments("the path does not fit: " + "; ".join(lines), {"issues": issues}) from None
        return values

    def json_schema(self) -> dict[str, Any]:
        """The JSON schema of the parameters, an object."""
        return self.adapter.json_schema()


class ResponseCheck:
    """Checks what a route's handler returned."""

    def check(self, function: str, value: object) -> Any:
        """The response itself.

        Raises:
            InvalidResult: It is none.
        """
        if not callable(value) or not hasattr(value, "status_code"):
            raise InvalidResult(f"{function} returned a {type(value).__name__} and not a Response")
        return value


class RouteTable:
    """The routes of one loaded app."""

    def __init__(self, routes: Iterable[AnyRoute]) -> None:
        self._routes = sorted(routes, key=lambda route: (route.order, route.path))

    def __iter__(self) -> Iterator[AnyRoute]:
        return iter(self._routes)

    def find(self, method: str, path: str) -> tuple[AnyRoute, dict[str, str]] | None:
        """The route of a request, and the texts of the path's parameters. A GET answers HEAD as well."""
        for wanted in (method, "GET") if method == "HEAD" else (method,):
            for route in self._routes:
                if route.method == wanted and (found := route.pattern.fullmatch(path)):
                    return route, found.groupdict()
        return None

    def methods(self, path: str) -> list[str]:
        """The methods that a path answers."""
        return sorted({route.method for route in self._routes if route.pattern.fullmatch(path)})


def check_route_handler(handler: Callable[..., Any], method: str, path: str) -> None:
    """Refuse a signature that cannot be a route's. Called by the decorator."""
    check_handler(handler, ActionFunction.kind)
    if len(inspect.signature(handler).parameters) < 2:
        where = f"{place_of(handler)}: route {method} {path}"
        what = f"{handler.__name__!r} takes no request. Make its second parameter `request: Request`"
        raise LoadError([f"{where}: {what}"])


def route_problems(routes: Iterable[AnyRoute]) -> Iterator[str]:
    """What is wrong with each route, and with those that answer the same requests."""
    taken: dict[tuple[str, str], AnyRoute] = {}
    for route in routes:
        problems = list(route.problems())
        yield from problems
        if problems:
            continue
        try:
            _ = route.arguments
        except LoadError as error:
            yield from error.problems
        shape = route.method, PARAMETER.sub(lambda found: "{*}" if found["is_rest"] else "{}", route.path)
        first = taken.setdefault(shape, route)
        if first is not route:
            yield f"{route.place}: {route.method} {route.path} is the route {first.name!r} ({first.place}) already"
