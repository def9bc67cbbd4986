"""What clients on sockets may rely on. A trap is where a client of Convex would hang, stop or flicker otherwise."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest
from app.models import Note, Order
from sqlalchemy import func, select
from support.sockets import Sockets, serving, time_of

from convexpy import Convex, MutationCtx, QueryCtx, mutation, query

here = sys.modules[__name__]


@mutation
def add(ctx: MutationCtx, line: str) -> int:
    ctx.db.add(Note(text=line))
    ctx.db.add(Order(id=line))
    return ctx.db.scalar(select(func.count()).select_from(Note)) or 0


@query
def count(ctx: QueryCtx) -> int:
    return ctx.db.scalar(select(func.count()).select_from(Note)) or 0


@query
def orders(ctx: QueryCtx) -> int:
    return ctx.db.scalar(select(func.count()).select_from(Order)) or 0


@pytest.fixture
def live(database: str) -> Iterator[Convex]:
    with Convex(database, functions=here) as convex:
        yield convex


@pytest.fixture
def sockets(live: Convex) -> Iterator[Sockets]:
    with serving(live.asgi(), here) as sockets:
        yield sockets


def test_trap_2_no_mutation_is_seen_before_its_response_or_twice(sockets: Sockets) -> None:
    """A page shows what it expects of a mutation until a Transition of its time: with two effects it would flicker."""
    client = sockets.connect()
    client.modify(add={0: "count"}, base=1)
    client.wait_for({0: 0})
    for number in range(60):
        client.mutate(number, "add", line=f"{number}")
    answered: list[int] = []
    while len(answered) < 60 or client.values[0] < 60:
        frame = client.receive()
        if frame["type"] == "MutationResponse":
            answered.append(time_of(frame["ts"]))
        else:
            assert client.values[0] == len(answered)
            assert time_of(client.version["ts"]) >= answered[-1]
    assert answered == sorted(set(answered))


def test_trap_9_a_mutation_that_is_sent_again_runs_once(sockets: Sockets, database: str) -> None:
    first = sockets.connect()
    first.mutate(0, "add", line="a")
    before = first.receive_type("MutationResponse")
    with Convex(database, functions=here) as restarted, serving(restarted.asgi(), here) as others:
        again = others.open()
        again.connect(maxObservedTimestamp=before["ts"])
        again.modify(add={0: "count"})
        again.mutate(0, "add", line="a")
        frame = again.receive()
        while frame["type"] != "MutationResponse":
            frame = again.receive()
        assert (frame["success"], frame["result"]) == (True, before["result"])
        assert time_of(frame["ts"]) > time_of(before["ts"])
        again.receive_type("Transition")
        assert again.values == {0: 1}
        other = others.connect(session="another client, which counts from 0 as well")
        other.mutate(0, "add", line="b")
        assert other.receive_type("MutationResponse")["result"] == 2


def test_all_queries_of_a_client_are_of_one_snapshot(sockets: Sockets, live: Convex) -> None:
    client = sockets.connect()
    client.modify(add={0: "count", 1: "orders"}, base=1)
    client.wait_for({0: 0, 1: 0})
    writer = threading.Thread(target=lambda: [live.run(add, line=f"{number}") for number in range(20)])
    writer.start()
    while client.values[0] < 20:
        client.receive()
        assert client.values[0] == client.values[1]
    writer.join()
