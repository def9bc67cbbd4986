"""Mutations and actions over a socket: their order, their responses, and the Transitions that follow."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator

import pytest
from app.models import Note
from sqlalchemy import func, select
from support.sockets import Closed, SocketClient, Sockets, serving
from support.waiting import PATIENCE_SECONDS, wait_until

from convexpy import ActionCtx, Convex, ConvexError, MutationCtx, QueryCtx, Settings, action, mutation, query
from convexpy.live.speeds import LIMITS, Speed
from convexpy.server import sync_calls

here = sys.modules[__name__]
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
began, may_end = threading.Event(), threading.Event()


@mutation
def add(ctx: MutationCtx, line: str) -> int:
    ctx.db.add(Note(text=line))
    return ctx.db.scalar(select(func.count()).select_from(Note)) or 0


@mutation
def nothing(ctx: MutationCtx) -> None:
    pass


@mutation
def refuse(ctx: MutationCtx, line: str) -> None:
    ctx.db.add(Note(text=line))
    raise ConvexError("CONFLICT", "no", {"line": line})


@mutation
def fail(ctx: MutationCtx) -> None:
    raise RuntimeError("inside")


@mutation
def wait(ctx: MutationCtx) -> str:
    began.set()
    assert may_end.wait(PATIENCE_SECONDS)
    return "done"


@query
def count(ctx: QueryCtx) -> int:
    return ctx.db.scalar(select(func.count()).select_from(Note)) or 0


@query
def broken(ctx: QueryCtx) -> int:
    raise RuntimeError(f"inside {count.handler(ctx)}")


@action
async def echo(ctx: ActionCtx, line: str) -> str:
    return line


@action
async def refuse_to_act(ctx: ActionCtx) -> str:
    raise ConvexError("CONFLICT", "no")


@pytest.fixture(autouse=True)
def fresh_events() -> None:
    began.clear()
    may_end.clear()


@pytest.fixture
def live(database: str) -> Iterator[Convex]:
    with Convex(database, functions=here) as convex:
        yield convex


@pytest.fixture
def sockets(live: Convex) -> Iterator[Sockets]:
    with serving(live.asgi(), here) as sockets:
        yield sockets
        may_end.set()


def expect_transition(client: SocketClient, *, modifications: int) -> None:
    assert len(client.receive_type("Transition")["modifications"]) == modifications


def test_trap_1_a_transition_follows_each_mutation(sockets: Sockets) -> None:
    client = sockets.connect()
    for number, name in enumerate(("nothing", "fail")):
        client.mutate(number, name)
        client.receive_type("MutationResponse")
        expect_transition(client, modifications=0)
    client.mutate(2, "refuse", line="a")
    frame = client.receive_type("MutationResponse")
    assert (frame["success"], frame["ts"], frame["errorData"]["data"]) == (False, None, {"line": "a"})
    expect_transition(client, modifications=0)
    client.mutate(3, "unknown")
    assert client.receive_type("MutationResponse")["success"] is False
    expect_transition(client, modifications=0)


def test_a_transition_follows_each_action(sockets: Sockets) -> None:
    client = sockets.connect()
    client.act(0, "echo", line="a")
    assert client.receive_type("ActionResponse")["result"] == "a"
    expect_transition(client, modifications=0)
    client.act(1, "refuse_to_act")
    frame = client.receive_type("ActionResponse")
    assert (frame["success"], frame["errorData"]["code"]) == (False, "CONFLICT")
    expect_transition(client, modifications=0)
    client.act(2, "add", line="no action")
    assert "as Action, but it is defined as Mutation" in client.receive_type("ActionResponse")["result"]


def test_trap_5_an_ordinary_error_has_no_data(sockets: Sockets) -> None:
    client = sockets.connect()
    client.mutate(0, "fail")
    frame = client.receive_type("MutationResponse")
    assert "errorData" not in frame
    assert frame["result"].startswith("[Request ID: ")
    assert frame["result"].endswith("] Server Error")


def test_mutations_run_one_at_a_time_in_their_order(sockets: Sockets) -> None:
    client = sockets.connect()
    client.mutate(0, "wait")
    assert began.wait(PATIENCE_SECONDS)
    for number in range(1, 6):
        client.mutate(number, "add", line=f"{number}")
    client.act(6, "echo", line="not delayed by mutations")
    assert client.receive_type("ActionResponse")["requestId"] == 6
    may_end.set()
    results: list[tuple[int, object]] = []
    while len(results) < 6:
        frame = client.receive()
        if frame["type"] == "MutationResponse":
            results.append((frame["requestId"], frame["result"]))
    assert results == [(0, "done"), (1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0), (5, 5.0)]


def test_a_mutation_that_runs_long_stops_no_transitions(sockets: Sockets, live: Convex) -> None:
    client = sockets.connect()
    client.modify(add={0: "broken"}, base=1)
    client.receive_type("Transition")
    client.mutate(0, "wait")
    assert began.wait(PATIENCE_SECONDS)
    client.modify(add={1: "count"}, base=2)
    client.receive_type("Transition")
    assert client.values[1] == 0


def test_a_thousand_mutations_may_wait(sockets: Sockets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_calls, "MOST_WAITING", 3)
    client = sockets.connect()
    client.mutate(0, "wait")
    assert began.wait(PATIENCE_SECONDS)
    for number in range(1, 5):
        client.mutate(number, "add", line=f"{number}")
    with pytest.raises(Closed) as closed:
        client.receive()
    assert (closed.value.code, closed.value.reason) == (1013, "TooManyConcurrentRequests")


def test_a_mutation_of_a_client_that_left_goes_on(sockets: Sockets) -> None:
    client = sockets.connect()
    client.modify(add={0: "count"}, base=1)
    client.mutate(0, "wait")
    client.mutate(1, "add", line="not begun")
    assert began.wait(PATIENCE_SECONDS)
    client.leave()
    may_end.set()
    again = sockets.open()
    again.connect()
    again.modify(add={0: "count"})
    again.mutate(0, "wait")
    frame = again.receive()
    while frame["type"] != "MutationResponse":
        frame = again.receive()
    assert frame["result"] == "done"
    assert again.values.get(0, 0) == 0


def test_a_mutation_that_waits_for_a_thread_is_not_begun_for_nobody(database: str) -> None:
    settings = Settings(request_concurrency=1)
    with Convex(database, functions=here, settings=settings) as live, serving(live.asgi(), here) as sockets:
        busy, client = sockets.connect(), sockets.connect(session="another")
        busy.mutate(0, "wait")
        assert began.wait(PATIENCE_SECONDS)
        client.mutate(0, "add", line="a")
        wait_until(lambda: not live.calls.client_threads._waiting.empty(), "a call that waits")
        client.leave()
        may_end.set()
        busy.mutate(1, "add", line="b")
        frames = [busy.receive() for _ in range(3)]
        assert [frame["result"] for frame in frames if frame["type"] == "MutationResponse"] == ["done", 1]


def test_a_failed_query_has_one_id_for_all_sockets_and_the_log(
    sockets: Sockets, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A function whose speed is not known yet runs in one group of live queries and then, again, in another.
    monkeypatch.setitem(LIMITS, Speed.QUICK, PATIENCE_SECONDS)
    clients = [sockets.connect(session=f"{number}") for number in range(3)]
    with caplog.at_level(logging.ERROR, "convexpy.server"):
        for client in clients:
            client.modify(add={0: "broken"}, base=1)
            client.receive_type("Transition")
    (text,) = {client.values[0]["errorMessage"] for client in clients[1:]}
    found = [record.request for record in caplog.records if hasattr(record, "request")]
    assert [f"[Request ID: {each}] Server Error" for each in found].count(text) == 1
    assert "errorData" not in clients[0].values[0]


def test_a_commit_is_seen_by_other_clients(sockets: Sockets) -> None:
    reader, writer = sockets.connect(), sockets.connect(session="another")
    reader.modify(add={0: "count"}, base=1)
    reader.wait_for({0: 0})
    writer.mutate(0, "add", line="a")
    reader.wait_for({0: 1})


def test_all_calls_end_with_their_socket(sockets: Sockets, live: Convex) -> None:
    client = sockets.connect()
    client.modify(add={0: "count"}, base=1)
    client.wait_for({0: 0})
    client.leave()
    wait_until(lambda: not live.live.groups(), "no group of live queries")
