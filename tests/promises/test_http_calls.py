"""Functions and routes over HTTP: a mutation happens once for a key, whole or not at all, and secrets stay inside."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from app.models import Order
from sqlalchemy import func, select
from support.http_client import HttpClient

from convexpy import ActionCtx, ConvexError, MutationCtx, QueryCtx, internal_mutation, mutation, query
from convexpy.testing import ConvexTest
from convexpy.web import Request, Response, http_route

ME = __name__


@query
def count(ctx: QueryCtx) -> int:
    return ctx.db.scalar(select(func.count(Order.id))) or 0


@mutation
def place(ctx: MutationCtx, order_id: str, fails: str = "") -> int:
    ctx.db.add(Order(id=order_id))
    ctx.db.flush()
    if fails == "refused":
        raise ConvexError("CONFLICT", "it is sold", {"order": order_id})
    if fails:
        raise ValueError("secret")
    return ctx.run_query(count)


@internal_mutation
def pay(ctx: MutationCtx, order_id: str) -> None:
    ctx.db.add(Order(id=order_id))


@http_route("POST", "/payments/{order_id}")
async def payments(ctx: ActionCtx, request: Request, order_id: str) -> Response:
    await ctx.run_mutation(pay, order_id=order_id + (await request.body()).decode())
    return Response(status_code=201)


@pytest.fixture
def client(convex: ConvexTest) -> Iterator[HttpClient]:
    with HttpClient(convex.convex.asgi()) as client:
        yield client


def test_a_call_over_http_is_one_transaction(client: HttpClient) -> None:
    assert client.call("mutation", f"{ME}:place", {"order_id": "o1"}) == {"status": "success", "value": 1}
    refused = client.call("mutation", f"{ME}:place", {"order_id": "o2", "fails": "refused"})
    assert refused["errorData"] == {"code": "CONFLICT", "message": "it is sold", "data": {"order": "o2"}}
    failed = client.call("mutation", f"{ME}:place", {"order_id": "o3", "fails": "by a bug"})
    assert "errorData" not in failed
    assert "secret" not in json.dumps(failed)
    twice = client.call("mutation", f"{ME}:place", {"order_id": "o1"})
    assert "orders" not in json.dumps(twice["errorMessage"])
    assert client.call("query", f"{ME}:count")["value"] == 1


def test_a_key_makes_a_mutation_happen_once(convex: ConvexTest, client: HttpClient) -> None:
    def send(key: str, **args: Any) -> Any:
        return client.post(f"/api/run/{ME}/place", json={"args": args}, headers={"idempotency-key": key})

    assert [send("k1", order_id="o1").json()["value"] for _ in range(3)] == [1, 1, 1]
    with HttpClient(convex.convex.asgi()) as other:  # as another process would
        again = other.post(
            "/api/mutation", json={"path": f"{ME}:place", "args": {"order_id": "o1"}}, headers={"idempotency-key": "k1"}
        )
        assert again.json()["value"] == 1
    assert send("k1", order_id="o2").status_code == 422
    assert send("k2", order_id="o3", fails="refused").json()["status"] == "error"
    assert client.call("query", f"{ME}:count")["value"] == 1


def test_a_route_writes_through_mutations(client: HttpClient) -> None:
    assert client.post("/payments/o1", content=b"-paid").status_code == 201
    assert client.post("/payments/o1", content=b"-paid").status_code == 500  # the same key of a row
    assert client.call("query", f"{ME}:count")["value"] == 1
    assert client.call("mutation", f"{ME}:pay", {"order_id": "o2"})["errorData"]["code"] == "NOT_FOUND"
