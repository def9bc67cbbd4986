"""Clients that are slow, silent, dead or hostile: what they may take of a server, and what becomes of the others."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from app.models import Note
from sqlalchemy import func, select
from support.sockets import Sockets, end_of, serving
from support.waiting import PATIENCE_SECONDS, wait_until

from convexpy import Convex, MutationCtx, QueryCtx, Settings, mutation, query
from convexpy.server import sync_connection, sync_outbox, sync_socket

here = sys.modules[__name__]
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@mutation
def add(ctx: MutationCtx, line: str) -> str:
    ctx.db.add(Note(text=line))
    return line


@query
def count(ctx: QueryCtx) -> int:
    return ctx.db.scalar(select(func.count()).select_from(Note)) or 0


@pytest.fixture
def live(database: str) -> Iterator[Convex]:
    with Convex(database, functions=here, settings=Settings(max_body_bytes=10_000)) as convex:
        yield convex


@pytest.fixture
def sockets(live: Convex) -> Iterator[Sockets]:
    with serving(live.asgi(), here) as sockets:
        yield sockets


ADD = {"type": "Add", "queryId": 0, "udfPath": "a:b", "args": [{}]}
SET = {"type": "ModifyQuerySet", "baseVersion": 1, "newVersion": 2}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '"Connect"',
        "{}",
        '{"type":"Nothing"}',
        '{"type":"Connect","sessionId":"a second one"}',
        '{"type":"Event","event":NaN}',
        '{"type":"Event","event":"\\ud800"}',
        '{"type":"Event","type":"Event"}',
        '{"type":"Event","event":' + "[" * 100 + "]" * 100 + "}",
        '{"type":"Event","event":"' + "x" * 10_000 + '"}',
        '{"type":"Event","event":"' + "ä" * 6_000 + '"}',
        '{"type":"Mutation","udfPath":"a:b","args":[{}]}',
        '{"type":"Mutation","requestId":-1,"udfPath":"a:b","args":[{}]}',
        '{"type":"Mutation","requestId":4294967296,"udfPath":"a:b","args":[{}]}',
        '{"type":"Mutation","requestId":true,"udfPath":"a:b","args":[{}]}',
        '{"type":"Action","requestId":0,"udfPath":1,"args":[{}]}',
        '{"type":"Authenticate","baseVersion":0,"tokenType":"Robot"}',
        '{"type":"Authenticate","baseVersion":0,"tokenType":"User"}',
        '{"type":"Authenticate","baseVersion":0,"tokenType":"Admin","value":"k","impersonating":1}',
        json.dumps({**SET, "modifications": {}}),
        json.dumps({**SET, "modifications": [1]}),
        json.dumps({**SET, "modifications": [{**ADD, "type": "Change"}]}),
        json.dumps({**SET, "modifications": [{**ADD, "journal": 1}]}),
        json.dumps({**SET, "modifications": [{**ADD, "queryId": 0.5}]}),
    ],
    ids=range(27),
)
def test_a_malformed_frame_is_fatal_for_its_client_only(sockets: Sockets, text: str) -> None:
    client, other = sockets.connect(), sockets.connect(session="another")
    client.send_text(text)
    assert client.receive_type("FatalError")["error"]
    assert end_of(client).code == 1008
    other.mutate(0, "add", line="a")
    assert other.receive_type("MutationResponse")["success"]


@pytest.mark.parametrize("args", [[], [1], [{}, {}], {"line": 1}, "a", [{"$wrong": 1}], [{"line": {"$integer": "?"}}]])
def test_arguments_that_do_not_fit_fail_their_call_only(sockets: Sockets, args: Any) -> None:
    client = sockets.connect()
    client.send(type="Mutation", requestId=0, udfPath=f"{__name__}:add", args=args)
    frame = client.receive_type("MutationResponse")
    assert frame["success"] is False
    client.receive_type("Transition")


def test_frames_are_texts(sockets: Sockets) -> None:
    client = sockets.connect()
    client._put({"type": "websocket.receive", "bytes": b"{}"})
    assert client.receive_type("FatalError")["error"] == "frames are texts"


def test_the_first_message_is_a_connect(sockets: Sockets) -> None:
    client = sockets.open()
    client.modify()
    assert client.receive_type("FatalError")["error"] == "the first message is a Connect"


def test_a_client_that_says_nothing_is_disconnected(sockets: Sockets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_connection, "CONNECT_SECONDS", 0.01)
    assert end_of(sockets.open()).code == 1000


def test_trap_8_silence_is_broken_by_pings(sockets: Sockets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_outbox, "PING_SECONDS", 0.01)
    client = sockets.connect()
    assert [client.receive() for _ in range(3)] == [{"type": "Ping"}] * 3


def test_trap_17_a_slow_reader_gets_the_newest_only(sockets: Sockets, live: Convex) -> None:
    slow, quick = sockets.connect(), sockets.connect(session="another")
    for client in (slow, quick):
        client.modify(add={0: "count"}, base=1)
        client.wait_for({0: 0})
    slow.stop_reading()
    for number in range(30):
        live.run(add, line=f"{number}")
        quick.wait_for({0: number + 1})
    slow.read_again()
    transitions = 0
    while slow.values != {0: 30}:
        slow.receive_type("Transition")
        transitions += 1
    assert transitions <= 2


def test_a_reader_that_is_dead_is_disconnected(sockets: Sockets, live: Convex, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((sync_outbox, "PING_SECONDS"), (sync_outbox, "SEND_SECONDS"), (sync_socket, "SEND_SECONDS")):
        monkeypatch.setattr(module, name, 0.05)
    client = sockets.connect()
    client.modify(add={0: "count"}, base=1)
    client.wait_for({0: 0})
    client.stop_reading()
    live.run(add, line="a")
    client.task.result(PATIENCE_SECONDS)
    wait_until(lambda: not live.live.groups(), "no group of live queries")


def test_nothing_is_read_while_too_much_waits(sockets: Sockets) -> None:
    client = sockets.connect()
    client.stop_reading()
    line = "x" * 4_000
    for number in range(20):
        client.mutate(number, "add", line=f"{number} {line}")
    other = sockets.connect(session="another")
    other.mutate(0, "add", line="a")
    assert other.receive_type("MutationResponse")["success"]
    assert client.taken < 10
    client.read_again()
    found: list[int] = []
    while len(found) < 20:
        frame = client.receive()
        found += [frame["requestId"]] if frame["type"] == "MutationResponse" else []
    assert found == list(range(20))


def test_a_client_that_lets_responses_wait_is_told_to_come_later(database: str) -> None:
    waiting = sync_outbox.WaitingBytes(1_000)
    outbox = sync_outbox.Outbox(sync_socket.Socket(never, ignore, 100), waiting, 100, lambda: None)
    outbox.put("x" * 200)  # one is sent, whatever its size
    with pytest.raises(sync_socket.Ending, match="TooManyUnreadResponses"):
        outbox.put("x")
    assert waiting.count == 201


def test_frames_without_end_let_others_have_their_turn(sockets: Sockets) -> None:
    async def flood() -> None:
        messages: list[dict[str, Any]] = [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": CONNECT}]

        async def receive() -> dict[str, Any]:  # it never waits, as if all had arrived already
            if messages:
                return messages.pop(0)
            return {"type": "websocket.disconnect"} if has_ended else {"type": "websocket.receive", "text": EVENT}

        await sockets.app(SCOPE, receive, ignore)

    has_ended: list[bool] = []
    flooding = asyncio.run_coroutine_threadsafe(flood(), sockets.loop)
    try:
        other = sockets.connect(session="another")
        other.mutate(0, "add", line="a")
        assert other.receive_type("MutationResponse")["success"]
    finally:
        has_ended.append(True)
        flooding.result(PATIENCE_SECONDS)


CONNECT = '{"type":"Connect","sessionId":"one"}'
EVENT = '{"type":"Event"}'
SCOPE = {"type": "websocket", "path": "/api/sync", "headers": [], "query_string": b"", "root_path": "", "state": {}}


async def never() -> dict[str, Any]:
    raise AssertionError


async def ignore(message: Any) -> None:
    pass
