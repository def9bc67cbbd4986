"""Versions of the sync protocol, and the traps of clients that are about them. The client checks each frame as well."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from app.models import Note, Order
from sqlalchemy import func, select
from support.sockets import Closed, SocketClient, Sockets, encoded, serving, time_of

from convexpy import Convex, MutationCtx, QueryCtx, internal_query, mutation, query

here = sys.modules[__name__]
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@mutation
def add(ctx: MutationCtx, line: str) -> float:
    ctx.db.add(Note(text=line))
    ctx.db.add(Order(id=line))
    return 1


@query
def count(ctx: QueryCtx) -> float:
    return ctx.db.scalar(select(func.count()).select_from(Note)) or 0


@query
def orders(ctx: QueryCtx) -> float:
    return ctx.db.scalar(select(func.count()).select_from(Order)) or 0


@query
def large(ctx: QueryCtx) -> str:
    return "ä" * 5_100_000


@internal_query
def secret(ctx: QueryCtx) -> str:
    return "secret"


@pytest.fixture
def sockets(database: str) -> Iterator[Sockets]:
    with Convex(database, functions=here) as convex, serving(convex.asgi(), here) as sockets:
        yield sockets


def refused(client: SocketClient) -> str:
    """The error with which a client is sent away for good."""
    error: str = client.receive_type("FatalError")["error"]
    with pytest.raises(Closed):
        client.receive()
    return error


def test_trap_3_the_first_transition_begins_at_nothing(sockets: Sockets) -> None:
    client = sockets.open()
    client.connect()
    client.modify(add={0: "count"})
    frame = client.receive_type("Transition")
    assert frame["startVersion"] == {"querySet": 0, "identity": 0, "ts": "AAAAAAAAAAA="}
    assert frame["endVersion"]["querySet"] == 1


def test_trap_4_time_is_later_than_any_that_the_client_saw(sockets: Sockets) -> None:
    seen = time.time_ns() + 2_000_000_000  # by the clock of another machine
    client = sockets.connect(maxObservedTimestamp=encoded(seen))
    assert time_of(client.version["ts"]) > seen
    client.mutate(0, "add", line="a")
    assert time_of(client.receive_type("MutationResponse")["ts"]) > seen


def test_a_client_from_the_future_is_told_to_come_later(sockets: Sockets) -> None:
    client = sockets.open()
    client.connect(maxObservedTimestamp=encoded(time.time_ns() + 60_000_000_000))
    with pytest.raises(Closed) as closed:
        client.receive()
    assert closed.value.code == 1013


@pytest.mark.parametrize(
    "message",
    [
        {"type": "ModifyQuerySet", "baseVersion": 5, "newVersion": 6, "modifications": []},
        {"type": "ModifyQuerySet", "baseVersion": 1, "newVersion": 1, "modifications": []},
        {"type": "Authenticate", "baseVersion": 3, "tokenType": "None"},
    ],
)
def test_a_version_that_does_not_fit_is_fatal(sockets: Sockets, message: dict[str, Any]) -> None:
    client = sockets.connect()
    client.send(**message)
    assert "ersion" in refused(client)


def test_a_query_that_is_not_there_cannot_be_removed(sockets: Sockets) -> None:
    client = sockets.connect()
    client.modify(remove=(7,), base=1)
    assert refused(client) == "there is no query 7"


def test_a_query_cannot_be_added_twice(sockets: Sockets) -> None:
    client = sockets.connect()
    client.modify(add={0: "count"}, base=1)
    client.modify(add={0: "count"}, base=2)
    while (frame := client.receive())["type"] == "Transition":
        pass
    assert frame == {"type": "FatalError", "error": "there is a query 0 already"}


def test_trap_7_a_float_is_written_as_one(sockets: Sockets) -> None:
    client = sockets.connect()
    client.mutate(0, "add", line="a")
    assert '"result":1.0,' in client.receive_text()
    client.modify(add={0: "count"}, base=1)
    while '"value":1.0,' not in client.receive_text():
        pass


def test_trap_10_names_and_paths_of_other_clients(sockets: Sockets) -> None:
    client = sockets.open("/api/sync")
    client.connect(clientTs=0)
    text = f'{{"args":[{{}}],"queryId":0,"type":"Add","udfPath":"{__name__}.js:count","journal":null}}'
    client.send_text(f'{{"modifications":[{text}],"newVersion":1,"baseVersion":0,"type":"ModifyQuerySet","new":1}}')
    frame = client.receive_type("Transition")
    assert client.values == {0: 0.0}
    assert "clientClockSkew" not in frame


def test_clocks_are_whole_numbers_and_right(sockets: Sockets) -> None:
    client = sockets.open()
    client.connect(clientTs=time.time() * 1000 + 5000.25)
    client.modify()
    frame = client.receive_type("Transition")
    assert 0 < frame["clientClockSkew"] <= 5001
    assert abs(frame["serverTs"] - time.time_ns()) < 60_000_000_000


def test_trap_10_only_clients_from_npm_get_pieces(sockets: Sockets) -> None:
    plain, npm = sockets.open("/api/sync"), sockets.open("/api/1.49.0/sync")
    for client in (plain, npm):
        client.connect()
        client.modify(add={0: "large"})
    plain.receive_type("Transition")
    pieces = [npm.receive_type("TransitionChunk")]
    while len(pieces) < pieces[0]["totalParts"]:
        pieces.append(npm.receive_type("TransitionChunk"))
    assert [piece["partNumber"] for piece in pieces] == list(range(len(pieces)))
    assert len({piece["transitionId"] for piece in pieces}) == 1
    frame = json.loads("".join(piece["chunk"] for piece in pieces))
    assert frame["modifications"][0]["value"] == plain.values[0]


def test_trap_12_internal_and_unknown_functions_are_alike(sockets: Sockets) -> None:
    client = sockets.connect()
    client.modify(add={0: "secret", 1: "nothing"}, base=1)
    client.receive_type("Transition")
    texts = [client.values[number]["errorMessage"].partition("]")[2] for number in (0, 1)]
    assert texts[0].replace("secret", "nothing") == texts[1]
    assert "Could not find public function for" in texts[1]


def test_trap_13_an_authenticate_is_always_confirmed(sockets: Sockets) -> None:
    client = sockets.connect()
    client.send(type="Authenticate", baseVersion=0, tokenType="None")
    assert client.receive_type("Transition")["endVersion"]["identity"] == 1
    client.send(type="Authenticate", baseVersion=1, tokenType="None")
    assert client.receive_type("Transition")["endVersion"]["identity"] == 2


def test_trap_15_all_queries_are_of_one_snapshot(sockets: Sockets) -> None:
    client, writer = sockets.connect(), sockets.connect(session="another")
    client.modify(add={0: "count", 1: "orders"}, base=1)
    for number in range(30):
        writer.mutate(number, "add", line=f"{number}")
    client.receive()
    while client.values[0] < 30:
        assert client.values[0] == client.values[1]
        client.receive()
    assert client.values[1] == 30


def test_trap_16_a_query_is_added_removed_and_added_again(sockets: Sockets) -> None:
    client = sockets.connect()
    client.modify(add={0: "count"}, base=1)
    client.modify(remove=(0,), add={1: "count"}, base=2)
    client.modify(remove=(1,), add={2: "orders"}, base=3)
    while client.version["querySet"] < 4:
        client.receive_type("Transition")
    assert client.values == {2: 0.0}


def test_one_query_too_many_fails_alone(database: str) -> None:
    from convexpy import Settings

    settings = Settings(max_socket_queries=2)
    with Convex(database, functions=here, settings=settings) as convex, serving(convex.asgi(), here) as sockets:
        client = sockets.connect()
        client.modify(add=dict.fromkeys(range(3), "count"), base=1)
        client.receive_type("Transition")
        assert client.values[1] == 0.0
        assert client.values[2]["errorData"]["code"] == "TOO_MANY_REQUESTS"
        client.modify(add=dict.fromkeys((3, 4), "count"), base=2)
        assert refused(client) == "a client may subscribe to 2 queries"
