"""Mutations, actions and queries over a socket."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from app.models import Note
from sqlalchemy import func, select
from support.sockets import Sockets, serving

from convexpy import ActionCtx, Convex, ConvexError, MutationCtx, QueryCtx, action, mutation, query

here = sys.modules[__name__]


@mutation
def add(ctx: MutationCtx, line: str) -> str:
    ctx.db.add(Note(text=line))
    return line.upper()


@mutation
def refuse(ctx: MutationCtx, line: str) -> None:
    ctx.db.add(Note(text=line))
    raise ConvexError("CONFLICT", "no", {"line": line})


@query
def count(ctx: QueryCtx) -> int:
    return ctx.db.scalar(select(func.count()).select_from(Note)) or 0


@query
def lines(ctx: QueryCtx) -> list[str]:
    return list(ctx.db.scalars(select(Note.text).order_by(Note.id)))


@action
async def echo(ctx: ActionCtx, line: str) -> str:
    return line


@pytest.fixture
def sockets(database: str) -> Iterator[Sockets]:
    with Convex(database, functions=here) as convex, serving(convex.asgi(), here) as sockets:
        yield sockets


def test_a_mutation_is_answered_and_then_seen(sockets: Sockets) -> None:
    client = sockets.connect()
    client.modify(add={0: "count", 1: "lines"}, base=1)
    client.wait_for({0: 0, 1: []})
    client.mutate(0, "add", line="a")
    assert client.receive_type("MutationResponse")["result"] == "A"
    client.receive_type("Transition")
    assert client.values == {0: 1, 1: ["a"]}


def test_an_action_is_answered_and_followed_by_a_transition(sockets: Sockets) -> None:
    client = sockets.connect()
    client.act(0, "echo", line="a")
    assert client.receive_type("ActionResponse")["result"] == "a"
    assert client.receive_type("Transition")["modifications"] == []


def test_a_failed_mutation_is_followed_by_a_transition(sockets: Sockets) -> None:
    client = sockets.connect()
    client.mutate(0, "refuse", line="a")
    frame = client.receive_type("MutationResponse")
    assert frame["success"] is False
    assert frame["ts"] is None
    assert frame["errorData"] == {"code": "CONFLICT", "message": "no", "data": {"line": "a"}}
    assert client.receive_type("Transition")["modifications"] == []
