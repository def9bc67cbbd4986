"""What cannot be a function: refused when it is decorated, or when the app loads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.apps import app_of

from convexpy import ActionCtx, LoadError, MutationCtx, QueryCtx, SyncActionCtx, action, mutation, query
from convexpy.testing import ConvexTest


def takes_args(ctx: Any, *items: int) -> None: ...


def takes_kwargs(ctx: Any, **items: int) -> None: ...


def takes_positional_only(ctx: Any, item: int, /) -> None: ...


def takes_private(ctx: Any, _item: int) -> None: ...


def takes_nothing() -> None: ...


@pytest.mark.parametrize("handler", [takes_args, takes_kwargs, takes_positional_only, takes_private, takes_nothing])
@pytest.mark.parametrize("builder", [query, mutation, action])
def test_a_signature_without_a_schema_is_refused_when_decorating(builder: Any, handler: Callable[..., None]) -> None:
    with pytest.raises(LoadError, match=rf"test_refused_functions\.py:\d+.*{handler.__name__}"):
        builder(handler)


async def async_handler(ctx: Any) -> None: ...


def takes_the_async_context(ctx: ActionCtx) -> None: ...


async def takes_the_sync_context(ctx: SyncActionCtx) -> None: ...


def takes_a_mutation_context(ctx: MutationCtx) -> None: ...


def takes_a_query_context(ctx: QueryCtx) -> None: ...


def is_a_generator(ctx: Any) -> Any:
    yield 1


@pytest.mark.parametrize(
    ("builder", "handler", "advice"),
    [
        (query, async_handler, "Make it `def`"),
        (mutation, async_handler, "Make it `def`"),
        (action, takes_the_async_context, "SyncActionCtx, or make the action `async def`"),
        (action, takes_the_sync_context, "ActionCtx, or make the action `def`"),
        (query, takes_a_mutation_context, "QueryCtx"),
        (action, takes_a_query_context, "SyncActionCtx"),
        (query, is_a_generator, "Return a list"),
    ],
)
def test_the_wrong_colour_is_an_error_when_the_app_loads(builder: Any, handler: Any, advice: str) -> None:
    function = builder(handler)
    with pytest.raises(LoadError) as refused, ConvexTest(app_of(function)):
        pass
    (problem,) = refused.value.problems
    assert f"made:{handler.__name__}" in problem
    assert advice in problem
    assert "test_refused_functions.py:" in problem


def test_async_middleware_under_a_plain_handler_is_a_load_error() -> None:
    async def wait(ctx: Any) -> Any:
        return ctx

    def handler(ctx: Any) -> None: ...

    function: Any = query.use(wait)(handler)  # type: ignore[arg-type]
    with pytest.raises(LoadError, match="wait"), ConvexTest(app_of(function)):
        pass
