"""Run one handler inside its middleware, and check what it returns."""

from __future__ import annotations

import inspect
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from typing import Any

from ..functions.registry import AnyFunction
from .context import Context


def invoke(function: AnyFunction, ctx: Context, values: dict[str, Any]) -> Any:
    """Call a ``def`` handler: the first middleware is the outermost. The result is checked within all of them."""
    if not function.middleware:
        return function.result.check(function.name, function.handler(ctx, **values))
    failure: BaseException | None = None
    with ExitStack() as stack:
        try:
            for middleware in function.middleware:
                if inspect.isgeneratorfunction(middleware):
                    ctx = stack.enter_context(contextmanager(middleware)(ctx))
                else:
                    ctx = middleware(ctx)
                check_context(middleware, ctx)
            return function.result.check(function.name, function.handler(ctx, **values))
        except BaseException as error:
            failure = error
            raise
    # A middleware may look at an error or replace it, but not make it go away: there would be no result.
    raise failure


async def invoke_async(function: AnyFunction, ctx: Context, values: dict[str, Any]) -> Any:
    """Call an ``async def`` handler, whose middleware may be async too."""
    failure: BaseException | None = None
    async with AsyncExitStack() as stack:
        try:
            for middleware in function.middleware:
                if inspect.isasyncgenfunction(middleware):
                    ctx = await stack.enter_async_context(asynccontextmanager(middleware)(ctx))
                elif inspect.isgeneratorfunction(middleware):
                    ctx = stack.enter_context(contextmanager(middleware)(ctx))
                else:
                    given = middleware(ctx)
                    ctx = await given if inspect.isawaitable(given) else given
                check_context(middleware, ctx)
            return function.result.check(function.name, await function.handler(ctx, **values))
        except BaseException as error:
            failure = error
            raise
    raise failure


def check_context(middleware: Any, ctx: object) -> None:
    if not isinstance(ctx, Context):
        name = getattr(middleware, "__name__", middleware)
        raise TypeError(f"the middleware {name!r} gave {ctx!r} instead of a context. End it with `return ctx`")
