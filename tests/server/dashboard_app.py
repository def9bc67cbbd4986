"""An app with a function of each kind, as the tests of who may use the dashboard have it."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from app.models import Base
from pydantic import BaseModel
from support.apps import START
from support.dashboard import cookie_of
from support.http_client import HttpClient
from support.sockets import SocketClient, Sockets, serving

from convexpy import ActionCtx, MutationCtx, QueryCtx, Settings, action, internal_query, mutation, query
from convexpy.testing import ConvexTest
from convexpy.web import Request, Response, http_route

here = sys.modules[__name__]
SOCKET = "/dashboard/api/sync"


@query
def me(ctx: QueryCtx) -> str | None:
    return ctx.identity.subject if ctx.identity is not None else None


@internal_query
def secret(ctx: QueryCtx) -> str:
    return "secret"


@mutation
def save(ctx: MutationCtx, text: str = "") -> str:
    return text


@mutation
def divide(ctx: MutationCtx) -> float:
    return 1 / 0


@mutation
def divide_later(ctx: MutationCtx) -> None:
    ctx.schedule.now(divide)


class Order(BaseModel):
    order_id: str


@query
def describe(ctx: QueryCtx, order_id: str) -> Order:
    return Order(order_id=order_id)


@action
async def act(ctx: ActionCtx) -> str:
    return await ctx.run_mutation(save, text="acted")


@http_route("GET", "/me")
async def me_by_http(ctx: ActionCtx, request: Request) -> Response:
    return Response(ctx.identity.subject if ctx.identity is not None else "nobody")


class Served:
    """Apps of this file, and clients of their servers."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def app(self, settings: Settings | None = None) -> ConvexTest:
        return self._stack.enter_context(ConvexTest(here, metadata=Base.metadata, settings=settings, now=START))

    def client(self, app: Any, address: str = "http://shop.example", peer: str = "127.0.0.1") -> HttpClient:
        return self._stack.enter_context(HttpClient(app, address, peer=peer))

    def sockets(self, app: Any) -> Sockets:
        return self._stack.enter_context(serving(app, here))

    def close(self) -> None:
        self._stack.close()


@pytest.fixture
def served() -> Iterator[Served]:
    served = Served()
    try:
        yield served
    finally:
        served.close()


@pytest.fixture
def kit(served: Served) -> ConvexTest:
    return served.app()


@pytest.fixture
def client(served: Served, kit: ConvexTest) -> HttpClient:
    return served.client(kit.convex.asgi())


def name_of(function: str) -> str:
    return f"{here.__name__}:{function}"


def opened(served: Served, kit: ConvexTest, client: HttpClient) -> SocketClient:
    """A socket of the client's session."""
    socket = served.sockets(kit.convex.asgi()).open(SOCKET, cookie=cookie_of(client), host="shop.example")
    socket.connect()
    return socket


def attributes(user: dict[str, Any]) -> str:
    return base64.b64encode(json.dumps(user).encode()).decode()
