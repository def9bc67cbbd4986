"""The colour of every handler, checked when the app loads: ``def`` or ``async def``, and which context."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, get_type_hints

from ..functions.declare import Kind
from ..functions.registry import AnyFunction, Registry
from .context import ActionCtx, Context, MutationCtx, QueryCtx, SyncActionCtx
from .declared_reads import declared_tables


def check_handlers(registry: Registry) -> list[str]:
    """Every handler or middleware of the wrong colour, with its place and what to do."""
    checked = (*registry.functions.values(), *registry.routes)
    return [problem for function in checked for problem in problems_of(function)]


def problems_of(function: AnyFunction) -> Iterator[str]:
    where = f"{function.place}: {function.noun} {function.name!r}"
    if inspect.isgeneratorfunction(function.handler) or inspect.isasyncgenfunction(function.handler):
        yield f"{where} is a generator. Return a list instead of yielding its elements"
    elif function.kind is not Kind.ACTION and function.is_async:
        yield (
            f"{where} is `async def`, but a transaction has nothing to wait for but its database. Make it `def`; "
            "what waits for the outside world belongs in an action"
        )
    yield from wrong_context(function, where)
    try:
        list(declared_tables(function.reads))
    except ValueError as error:
        yield f"{where}, reads=[…]: {error}"
    for middleware in function.middleware:
        if is_async(middleware) and not function.is_async:
            yield f"{where} uses the middleware {middleware.__name__!r}, which is async. Make that one `def`"


def wrong_context(function: AnyFunction, where: str) -> Iterator[str]:
    given = context_of(function)
    first = next(iter(inspect.signature(function.handler).parameters))
    declared = get_type_hints(function.handler).get(first)
    if not isinstance(declared, type) or not issubclass(declared, Context):
        return
    is_wider = given is QueryCtx and issubclass(declared, MutationCtx)
    if (issubclass(declared, given) or issubclass(given, declared)) and not is_wider:
        return
    hint = f"annotate it as {given.__name__}"
    if function.kind is Kind.ACTION:
        if not function.is_async and inspect.iscoroutinefunction(inspect.unwrap(function.handler)):
            hint = "a decorator made the action `def`. Let the decorator's wrapper be `async def`, and await"
        else:
            hint += f", or make the action `{'def' if function.is_async else 'async def'}`"
    yield f"{where} takes {declared.__name__}, but it gets {given.__name__}: {hint}"


def context_of(function: AnyFunction) -> type[Context]:
    """The context that a function's handler gets, before its middleware."""
    if function.kind is Kind.QUERY:
        return QueryCtx
    if function.kind is Kind.MUTATION:
        return MutationCtx
    return ActionCtx if function.is_async else SyncActionCtx


def is_async(middleware: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(middleware) or inspect.isasyncgenfunction(middleware)
