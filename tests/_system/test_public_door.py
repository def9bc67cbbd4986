"""The door for clients, ``bind_public``: only public functions exist behind it."""

from __future__ import annotations

from typing import Any

import pytest

from convexpy import (
    FunctionNotFound,
    Identity,
    InvalidArguments,
    MutationCtx,
    QueryCtx,
    internal_mutation,
    internal_query,
    mutation,
    query,
)
from convexpy.testing import ConvexTest


@query(aliases=["shop:named_before"])
def whoami(ctx: QueryCtx, greeting: str = "") -> str:
    return greeting + (ctx.identity.subject if ctx.identity else "nobody")


@mutation
def place_order(ctx: MutationCtx) -> None: ...


@internal_mutation(aliases=["shop:secret_before"])
def refund_order(ctx: MutationCtx) -> None: ...


@internal_query
def place_orders(ctx: QueryCtx) -> None: ...


def refused(convex: ConvexTest, name: str) -> FunctionNotFound:
    with pytest.raises(FunctionNotFound) as error:
        convex.convex.calls.bind_public(name, {}, None)
    return error.value


def called(convex: ConvexTest, name: str, values: object = None, identity: Identity | None = None) -> Any:
    calls = convex.convex.calls
    return calls.run(calls.bind_public(name, {} if values is None else values, identity))


def test_public_functions_are_called_with_json_as_a_user(convex: ConvexTest) -> None:
    assert called(convex, f"{__name__}:whoami") == "nobody"
    assert called(convex, f"{__name__}:whoami", {"greeting": "hello "}, Identity("u1")) == "hello u1"
    assert called(convex, "shop:named_before") == "nobody"


@pytest.mark.parametrize("values", [[], "x", {"greting": "x"}, {"greeting": 5}])
def test_wrong_values_are_refused(convex: ConvexTest, values: object) -> None:
    with pytest.raises(InvalidArguments):
        called(convex, f"{__name__}:whoami", values)


@pytest.mark.parametrize(
    "name",
    [f"{__name__}:refund_order", "shop:secret_before", "_system/jobs:list", "_system/jobs:cancel", "no:such", "", "x"],
)
def test_an_internal_function_is_answered_as_an_unknown_one(convex: ConvexTest, name: str) -> None:
    error = refused(convex, name)
    assert type(error) is FunctionNotFound
    assert (error.code, error.data, error.__cause__) == ("NOT_FOUND", None, None)
    assert error.message.startswith(f"there is no function {name!r}.")
    assert "refund" not in error.message.removeprefix(f"there is no function {name!r}.")


@pytest.mark.parametrize("name", ["place_order", "place_orders", "place_ordesr", "place_ordr"])
def test_a_hint_names_public_functions_only(convex: ConvexTest, name: str) -> None:
    if name == "place_order":
        assert called(convex, f"{__name__}:{name}") is None
    else:
        hint = f"there is no function '{__name__}:{name}'. Did you mean '{__name__}:place_order'?"
        assert refused(convex, f"{__name__}:{name}").message == hint


def test_a_near_internal_name_is_not_hinted_at(convex: ConvexTest) -> None:
    assert refused(convex, "_system/job:list").message == "there is no function '_system/job:list'."
    assert "secret_before" not in refused(convex, "shop:secret_befor").message
