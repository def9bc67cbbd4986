"""The builders of functions, behind ``@query``, ``@mutation`` and ``@action``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, Self, TypeVar, overload

from ..errors import LoadError
from .declare import ActionFunction, Function, MutationFunction, QueryFunction, Visibility, check_handler

P = ParamSpec("P")
R = TypeVar("R")
Ctx = TypeVar("Ctx")
NextCtx = TypeVar("NextCtx", bound="SomeContext")
AsyncCtx = TypeVar("AsyncCtx")
SyncCtx = TypeVar("SyncCtx")


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
        return type(self)(Visibility.INTERNAL, self._middleware, self._meta, self._aliases)

    def meta(self, **values: object) -> Self:
        """A builder with these values merged into ``ctx.function.meta``."""
        return type(self)(self._visibility, self._middleware, {**self._meta, **values}, self._aliases)

    def _with_middleware(self, middleware: Callable[..., Any]) -> Self:
        return type(self)(self._visibility, (*self._middleware, middleware), self._meta, self._aliases)

    def _build(self, handler: Callable[..., Any] | None, aliases: Sequence[str]) -> Any:
        if isinstance(aliases, str):
            raise LoadError([f"aliases={aliases!r}: aliases are a list. Write aliases=[{aliases!r}]"])
        if handler is None:
            return type(self)(self._visibility, self._middleware, self._meta, (*self._aliases, *aliases))
        check_handler(handler, self.makes.kind)
        return self.makes(handler, self._visibility, self._middleware, self._meta, self._aliases)


class QueryBuilder(Builder, Generic[Ctx]):
    """Makes queries: ``@query``, ``@query.internal``, ``@query.use(middleware)``."""

    makes = QueryFunction

    @overload
    def __call__(self, handler: Callable[Concatenate[Ctx, P], R], /) -> QueryFunction[Ctx, P, R]: ...
    @overload
    def __call__(self, /, *, aliases: Sequence[str] = ()) -> Self: ...
    def __call__(self, handler: Callable[..., Any] | None = None, /, *, aliases: Sequence[str] = ()) -> Any:
        return self._build(handler, aliases)

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
