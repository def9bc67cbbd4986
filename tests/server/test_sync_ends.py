"""How sockets end: with their server, with their app, or by a fault of the server."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator

import pytest
from support.sockets import Closed, Sockets, end_of, serving
from support.waiting import PATIENCE_SECONDS

from convexpy import Convex, MutationCtx, QueryCtx, mutation, query
from convexpy.server import sync_connection
from convexpy.server.stop_notice import STATE_KEY, StopNotice

here = sys.modules[__name__]
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
began, may_end = threading.Event(), threading.Event()


@mutation
def wait(ctx: MutationCtx) -> str:
    began.set()
    assert may_end.wait(PATIENCE_SECONDS)
    return "done"


@query
def one(ctx: QueryCtx) -> int:
    return 1


@pytest.fixture
def live(database: str) -> Iterator[Convex]:
    began.clear()
    may_end.clear()
    with Convex(database, functions=here) as convex:
        yield convex


@pytest.fixture
def sockets(live: Convex) -> Iterator[Sockets]:
    with serving(live.asgi(), here) as sockets:
        yield sockets
        may_end.set()


def test_a_server_that_stops_answers_what_runs_first(sockets: Sockets) -> None:
    notice = sockets.state[STATE_KEY] = StopNotice()
    client, idle = sockets.connect(), sockets.connect(session="another")
    client.mutate(0, "wait")
    client.mutate(1, "wait")  # it has not begun, so the next server runs it
    assert began.wait(PATIENCE_SECONDS)
    draining = asyncio.run_coroutine_threadsafe(notice.give(PATIENCE_SECONDS), sockets.loop)
    with pytest.raises(Closed) as closed:
        idle.receive()
    assert closed.value.code == 1012
    may_end.set()
    assert client.receive_type("MutationResponse")["result"] == "done"
    assert end_of(client).code == 1012
    draining.result(PATIENCE_SECONDS)
    late = sockets.open()
    with pytest.raises(Closed) as closed:
        late.receive()
    assert closed.value.code == 1012


def test_a_server_that_stops_does_not_wait_for_ever(sockets: Sockets) -> None:
    notice = sockets.state[STATE_KEY] = StopNotice()
    client = sockets.connect()
    client.mutate(0, "wait")
    assert began.wait(PATIENCE_SECONDS)
    asyncio.run_coroutine_threadsafe(notice.give(0.01), sockets.loop).result(PATIENCE_SECONDS)
    with pytest.raises(Closed) as closed:
        client.receive()
    assert closed.value.code == 1012


def test_sockets_end_with_their_app(sockets: Sockets, live: Convex) -> None:
    client = sockets.connect()
    live.live.close()
    with pytest.raises(Closed) as closed:
        client.receive()
    assert closed.value.code == 1012


def test_a_fault_of_the_server_lets_clients_come_again(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*args: object) -> bytes:
        raise RuntimeError("a fault")

    client = sockets.connect()
    monkeypatch.setattr(sync_connection, "query_updated", fail)
    client.modify(add={0: "one"}, base=1)
    with pytest.raises(Closed) as closed:
        client.receive()
    assert (closed.value.code, closed.value.reason) == (1011, "InternalServerError")
    assert "a fault" in caplog.text


def test_a_page_of_another_site_gets_no_socket(sockets: Sockets) -> None:
    with pytest.raises(Closed):
        sockets.open(origin="https://evil.example", host="shop.example")
    sockets.open(origin="https://shop.example", host="shop.example")
