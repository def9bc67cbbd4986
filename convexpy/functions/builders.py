"""The builders of functions, behind ``@query``, ``@mutation`` and ``@action``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from copy import copy
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Concatenate, Final, Generic, ParamSpec, Protocol, Self, TypeVar, overload

from ..errors import LoadError
from .declare import ActionFunction, Function, MutationFunction, QueryFunction, Visibility, check_handler

P = ParamSpec("P")
R = TypeVar("R")
Ctx = TypeVar("Ctx")
NextCtx = TypeVar("NextCtx", bound="SomeContext")
AsyncCtx = TypeVar("AsyncCtx")
SyncCtx = TypeVar("SyncCtx")


SHORTEST_REFRESH: Final = timedelta(milliseconds=100)


class SomeContext(Protocol):
    """A context, as far as it matters here: to tell it from an iterator or a coroutine that a middleware returns."""

    @property
    def function(self) -> Function[Any, ..., Any, Any]: ...


class NoContext:
    """Stands for the context of handlers that a middleware excludes: of ``def`` or of ``async def`` actions."""


class Builder:
    """Builds functions of one kind. Immutable: every step returns a new builder."""

    makes: type[Function[Any, ..., Any, Any]]

    def __init__(
        self,
        visibility: Visibility = Visibility.PUBLIC,
        middleware: tuple[Callable[..., Any], ...] = (),
        meta: Mapping[str, object] = MappingProxyType({}),
        aliases: tuple[str, ...] = (),
    ) -> None:
        self._visibility = visibility
        self._middleware = middleware
        self._meta = MappingProxyType(dict(meta))
        self._aliases = aliases

    @property
    def internal(self) -> Self:
        """A builder of functions for the server's own calls: by functions, schedules, crons and the command line."""
        return self._with(_visibility=Visibility.INTERNAL)

    def meta(self, **values: object) -> Self:
        """A builder with these values merged into ``ctx.function.meta``."""
        return self._with(_meta=MappingProxyType({**self._meta, **values}))

    def _with_middleware(self, middleware: Callable[..., Any]) -> Self:
        return self._with(_middleware=(*self._middleware, middleware))

    def _with(self, **changed: object) -> Self:
        builder = copy(self)
        vars(builder).update(changed)
        return builder

    def _build(self, handler: Callable[..., Any] | None, aliases: Sequence[str]) -> Any:
        if isinstance(aliases, str):
            raise LoadError([f"aliases={aliases!r}: aliases are a list. Write aliases=[{aliases!r}]"])
        if handler is None:
            return self._with(_aliases=(*self._aliases, *aliases))
        check_handler(handler, self.makes.kind)
        return self.makes(handler, self._visibility, self._middleware, self._meta, self._aliases)


class QueryBuilder(Builder, Generic[Ctx]):
    """Makes queries: ``@query``, ``@query.internal``, ``@query.use(middleware)``."""

    makes = QueryFunction
    _reads: tuple[object, ...] = ()
    _refresh: timedelta | None = None

    @overload
    def __call__(self, handler: Callable[Concatenate[Ctx, P], R], /) -> QueryFunction[Ctx, P, R]: ...
    @overload
    def __call__(
        self, /, *, aliases: Sequence[str] = (), reads: Sequence[object] = (), refresh: timedelta | None = None
    ) -> Self: ...
    def __call__(
        self,
        handler: Callable[..., Any] | None = None,
        /,
        *,
        aliases: Sequence[str] = (),
        reads: Sequence[object] = (),
        refresh: timedelta | None = None,
    ) -> Any:
        """Make a query, or a builder of queries that say more of themselves.

        Args:
            handler: The function that is decorated.
            aliases: Former names, by which it is still called.
            reads: The mapped classes, their attributes, or tables that its subscriptions depend on, besides those that
                are seen to be read. An attribute stands for its table.
            refresh: How often a subscription runs it again, whatever was written.
        """
        if refresh is not None and not (isinstance(refresh, timedelta) and refresh >= SHORTEST_REFRESH):
            raise LoadError([f"refresh={refresh!r}: it is a timedelta of at least {SHORTEST_REFRESH}"])
        if isinstance(reads, str) or not isinstance(reads, Sequence):
            raise LoadError([f"reads={reads!r}: write a list of models, their attributes or tables"])
        if handler is None:
            builder = self._with(_reads=(*self._reads, *reads), _refresh=refresh or self._refresh)
            return builder._build(None, aliases)
        function = self._build(handler, aliases)
        function.reads, function.refresh = self._reads, self._refresh
        return function

    @overload
    def use(self, middleware: Callable[[Ctx], Iterator[NextCtx]], /) -> QueryBuilder[NextCtx]: ...
    @overload
    def use(self, middleware: Callable[[Ctx], NextCtx], /) -> QueryBuilder[NextCtx]: ...
    def use(self, middleware: Callable[..., Any], /) -> Any:
        """A builder with a middleware, which takes the context and returns the next one, yields it once, or raises."""
        return self._with_middleware(middleware)


class MutationBuilder(Builder, Generic[Ctx]):
    """Makes mutations: ``@mutation``, ``@mutation.internal``, ``@mutation.use(middleware)``."""

    makes = MutationFunction

    @overload
    def __call__(self, handler: Callable[Concatenate[Ctx, P], R], /) -> MutationFunction[Ctx, P, R]: ...
    @overload
    def __call__(self, /, *, aliases: Sequence[str] = ()) -> Self: ...
    def __call__(self, handler: Callable[..., Any] | None = None, /, *, aliases: Sequence[str] = ()) -> Any:
        return self._build(handler, aliases)

    @overload
    def use(self, middleware: Callable[[Ctx], Iterator[NextCtx]], /) -> MutationBuilder[NextCtx]: ...
    @overload
    def use(self, middleware: Callable[[Ctx], NextCtx], /) -> MutationBuilder[NextCtx]: ...
    def use(self, middleware: Callable[..., Any], /) -> Any:
        """A builder with a middleware, which takes the context and returns the next one, yields it once, or raises."""
        return self._with_middleware(middleware)


class ActionBuilder(Builder, Generic[AsyncCtx, SyncCtx]):
    """Makes actions: ``async def`` ones that take an ActionCtx and ``def`` ones that take a SyncActionCtx."""

    makes = ActionFunction

    @overload
    def __call__(
        self, handler: Callable[Concatenate[AsyncCtx, P], Coroutine[Any, Any, R]], /
    ) -> ActionFunction[AsyncCtx, P, Coroutine[Any, Any, R], R]: ...
    @overload
    def __call__(self, handler: Callable[Concatenate[SyncCtx, P], R], /) -> ActionFunction[SyncCtx, P, R, R]: ...
    @overload
    def __call__(self, /, *, aliases: Sequence[str] = ()) -> Self: ...
    def __call__(self, handler: Callable[..., Any] | None = None, /, *, aliases: Sequence[str] = ()) -> Any:
        return self._build(handler, aliases)

    @overload
    def use(self, middleware: Callable[[AsyncCtx], AsyncIterator[NextCtx]], /) -> ActionBuilder[NextCtx, NoContext]: ...
    @overload
    def use(
        self, middleware: Callable[[AsyncCtx], Coroutine[Any, Any, NextCtx]], /
    ) -> ActionBuilder[NextCtx, NoContext]: ...
    @overload
    def use(self, middleware: Callable[[AsyncCtx], Iterator[NextCtx]], /) -> ActionBuilder[NextCtx, NoContext]: ...
    @overload
    def use(self, middleware: Callable[[SyncCtx], Iterator[NextCtx]], /) -> ActionBuilder[NoContext, NextCtx]: ...
    @overload
    def use(self, middleware: Callable[[AsyncCtx], NextCtx], /) -> ActionBuilder[NextCtx, NoContext]: ...
    @overload
    def use(self, middleware: Callable[[SyncCtx], NextCtx], /) -> ActionBuilder[NoContext, NextCtx]: ...
    def use(self, middleware: Callable[..., Any], /) -> Any:
        """A builder with a middleware.

        One that takes an ActionCtx is for ``async def`` actions, and may itself be ``async def``; one that takes a
        SyncActionCtx is for ``def`` actions.
        """
        return self._with_middleware(middleware)
