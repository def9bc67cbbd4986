"""All functions of an app, named by their place, looked up by name or by object."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from types import MappingProxyType, ModuleType
from typing import Any, Final

from ..errors import FunctionNotFound, LoadError
from .declare import Function, Visibility
from .http_routes import HttpRoute, RouteTable, route_problems
from .names import outside_function
from .references import Reference, name_of, visibility_of

AnyFunction = Function[Any, ..., Any, Any]

SYSTEM: Final = "_system"
"""The framework's own package of functions, beside those of an app."""


class Registry:
    """The functions of one loaded app. Immutable: a reload makes a new one.

    Args:
        modules: The app's modules by their place.
        system_modules: Those of the framework. Their functions are found by name and by object, and not listed.
    """

    def __init__(
        self, modules: Mapping[str, ModuleType], system_modules: Mapping[str, ModuleType] = MappingProxyType({})
    ) -> None:
        named = named_functions({**modules, **system_modules})
        found = {name: each for name, each in named.items() if not isinstance(each, HttpRoute)}
        self.routes = RouteTable(each for each in named.values() if isinstance(each, HttpRoute))
        """What answers HTTP requests at paths of its own. No call by name reaches it."""
        self.functions = MappingProxyType({name: found[name] for name in sorted(found) if not is_reserved(name)})
        self._system = {name: function for name, function in found.items() if is_reserved(name)}
        self._names = {id(function): name for name, function in found.items()}
        self._aliases: dict[str, AnyFunction] = {}
        problems = [*self._adopt_aliases(), *self._check(), *route_problems(self.routes)]
        known = [*found, *self._aliases]
        self._inside = {outside_function(name, camel=True): name for name in known} | {name: name for name in known}
        if problems:
            raise LoadError(problems)

    def find(self, target: object) -> AnyFunction:
        """The function behind a function object, a reference or a name.

        Raises:
            FunctionNotFound: There is none, with the nearest name that exists.
        """
        if isinstance(target, Function):
            if id(target) in self._names:
                return target
            # After a reload, code that is still running refers to the functions of the old version.
            return self._by_name(target.name, f"{target.name!r} ({target.place}) is not part of the app's package")
        if isinstance(target, Reference):
            return self._by_reference(target)
        if isinstance(target, str):
            return self._by_name(target)
        raise FunctionNotFound(
            f"{target!r} is not a function of the app: decorate it with @query, @mutation or @action"
        )

    def find_for_client(self, name: str, *, camel: bool = False, with_internal: bool = False) -> AnyFunction | None:
        """The function that a client means, or None: there is none, or it is internal.

        Args:
            name: Also as JavaScript clients write it: ``messages.js:list``, and ``messages`` for ``messages:default``.
            camel: Whether camelCase names are accepted as well.
            with_internal: Whether the client may call internal functions, those of the framework among them.
        """
        place, colon, own = name.partition(":")
        name = f"{place.removesuffix('.js')}:{own if colon else 'default'}"
        if camel:
            name = self._inside.get(name, name)
        found = self.functions.get(name) or self._aliases.get(name) or self._system.get(name)
        is_reachable = found is not None and (with_internal or found.visibility is Visibility.PUBLIC)
        return found if is_reachable and (with_internal or not is_reserved(name)) else None

    def name_of(self, function: AnyFunction) -> str:
        """The function's name in this app. It may have another one in another app of the process."""
        return self._names.get(id(function), function.name)

    def _by_name(self, name: str, problem: str | None = None) -> AnyFunction:
        found = self.functions.get(name) or self._aliases.get(name) or self._system.get(name)
        if found is not None:
            return found
        hint = nearest(name, self._system if is_reserved(name) else self.functions)
        hint = hint or " `convexpy functions` lists them all."
        raise FunctionNotFound(f"{problem or f'there is no function {name!r}'}.{hint}")

    def _by_reference(self, reference: Reference) -> AnyFunction:
        found = self._by_name(name_of(reference), f"{reference!r}: there is no function {name_of(reference)!r}")
        if found.visibility is not visibility_of(reference):
            right = "api" if found.visibility is Visibility.PUBLIC else "internal"
            raise FunctionNotFound(f"{reference!r}: {found.name!r} is {found.visibility}, so write `{right}.…`.")
        return found

    def _adopt_aliases(self) -> Iterator[str]:
        for function in self.functions.values():
            for alias in function.aliases:
                taken = self.functions.get(alias) or self._aliases.get(alias)
                if taken is not None:
                    yield f"{function.place}: {function.name!r} has the alias {alias!r}, which is {taken.place} already"
                if is_reserved(alias):
                    yield (
                        f"{function.place}: {function.name!r} has the alias {alias!r}, but {SYSTEM!r} is the "
                        "framework's own. Choose another"
                    )
                self._aliases[alias] = function

    def _check(self) -> Iterator[str]:
        for function in self.functions.values():
            for part in ("arguments", "result"):
                try:
                    getattr(function, part)
                except LoadError as error:
                    yield from error.problems


def named_functions(modules: Mapping[str, ModuleType]) -> dict[str, AnyFunction]:
    """Every function by its name. One that several modules import belongs to the module that defines it."""
    homes: dict[int, tuple[str, AnyFunction]] = {}
    for prefix, module in modules.items():
        for attribute, value in list(vars(module).items()):
            if not isinstance(value, Function):
                continue
            known = homes.get(id(value))
            is_definition = value.handler.__module__ == module.__name__ and value.handler.__name__ == attribute
            if known is None or is_definition:
                homes[id(value)] = (f"{prefix}:{attribute}", value)
    for name, function in homes.values():
        function.name = name
    return dict(homes.values())


def is_reserved(name: str) -> bool:
    """Whether a function's name, or a module's place, begins with ``_system``."""
    return name.partition(":")[0].partition("/")[0] == SYSTEM


def nearest(name: str, names: Iterable[str]) -> str:
    """A hint to the name that was probably meant; empty if none is near."""
    close = get_close_matches(name, names, n=1)
    return f" Did you mean {close[0]!r}?" if close else ""
