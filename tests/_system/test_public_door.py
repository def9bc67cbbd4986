"""The door for clients, ``bind_client``: only public functions exist behind it."""

from __future__ import annotations

import json
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
from convexpy.runtime.admin import Admin
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
        convex.convex.calls.bind_client(name, {}, None)
    return error.value


def called(convex: ConvexTest, name: str, values: object = None, identity: Identity | None = None) -> Any:
    calls = convex.convex.calls
    return json.loads(calls.run(calls.bind_client(name, {} if values is None else values, identity)))


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
    assert error.message == f"Could not find public function for '{name}'."


def test_an_admin_reaches_internal_functions(convex: ConvexTest) -> None:
    calls = convex.convex.calls
    for name in (f"{__name__}:refund_order", "shop:secret_before", "_system/jobs:list"):
        assert calls.bind_client(name, {}, None, admin=Admin("ops")).function.name
