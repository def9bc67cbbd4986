"""The checker notices what is wrong: of each frame, and in the database."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from stress.sockets.history import History, Wrong
from stress.sockets.ledger import Ledger, Row
from stress.sockets.view import START, Promise, Query, View

HELD = ("one", "other", "recent")


def time(number: int) -> str:
    return base64.b64encode(number.to_bytes(8, "little")).decode()


def version(number: int, *, query_set: int = 1, identity: int = 0) -> dict[str, Any]:
    return {"querySet": query_set, "identity": identity, "ts": time(number)}


def updated(number: int, value: Any) -> dict[str, Any]:
    return {"type": "QueryUpdated", "queryId": number, "value": value, "logLines": [], "journal": None}


def state(n: int, *tokens: str) -> list[dict[str, Any]]:
    """The three queries of a key at a number."""
    recent = [f"{n - back}:{token}" for back, token in enumerate(tokens)]
    return [updated(0, float(n)), updated(1, float(n)), updated(2, recent)]


def transition(start: dict[str, Any], end: dict[str, Any], *modifications: dict[str, Any]) -> str:
    frame = {"type": "Transition", "startVersion": start, "endVersion": end, "modifications": modifications}
    return json.dumps(frame)


def response(number: int, at: int, result: float = 1.0) -> str:
    more = {"success": True, "result": result, "ts": time(at), "logLines": []}
    return json.dumps({"type": "MutationResponse", "requestId": number, **more})


def new_view() -> tuple[View, list[Promise]]:
    """A view that waits for its first Transition, with a mutation of its own under way."""
    resolved: list[Promise] = []
    view = View(Ledger(), History("a client"), lambda promise, _: resolved.append(promise), {})
    view.queries = {number: Query(name, 5) for number, name in enumerate(HELD)}
    view.sets[1] = frozenset(view.queries)
    view.mutations.append(Promise(0, "Mutation", "add", 5, "mine", connections=1))
    return view, resolved


FIRST = transition(START, version(10), *state(0))


def test_what_is_right_is_let_through_and_resolves_the_promise() -> None:
    view, resolved = new_view()
    for frame in (FIRST, response(0, 20), '{"type":"Ping"}', transition(version(10), version(20), *state(1, "mine"))):
        view.received(frame)
    assert [promise.token for promise in resolved] == ["mine"]
    assert not view.is_owed


@pytest.mark.parametrize(
    ("why", "frames"),
    [
        ("begins at", [FIRST, transition(version(9), version(11))]),
        ("time goes back", [FIRST, transition(version(10), version(9))]),
        ("values of the queries", [transition(START, version(10), updated(0, 0.0))]),
        ("in one Transition", [FIRST, transition(version(10), version(20), updated(0, 1.0))]),
        (
            "goes back from 2",
            [
                transition(START, version(10), *state(2, "b", "a")),
                transition(version(10), version(20), *state(1, "a")),
            ],
        ),
        ("seen too early", [FIRST, transition(version(10), version(20), *state(1, "mine"))]),
        ("seen too early", [FIRST, response(0, 30), transition(version(10), version(20), *state(1, "mine"))]),
        ("not seen in the first", [FIRST, response(0, 20), transition(version(10), version(20))]),
        ("not the next one", [FIRST, response(1, 20)]),
        ("not the next one", [FIRST, response(0, 20), response(0, 30)]),
        ("entries, and 1 are shown", [transition(START, version(10), *state(2, "b"))]),
        ("not asked for", [transition(START, version(10, query_set=2), *state(0))]),
        ("not asked for", [transition(START, version(10, identity=1), *state(0))]),
        ("the server sends", ['{"type":"FatalError","error":"x"}']),
    ],
)
def test_a_wrong_frame_is_noticed(why: str, frames: list[str]) -> None:
    view, _ = new_view()
    for frame in frames[:-1]:
        view.received(frame)
    with pytest.raises(Wrong, match=why):
        view.received(frames[-1])


@pytest.mark.parametrize(
    ("why", "rows", "number"),
    [
        ("ran twice", [Row(0, 1, "a", ""), Row(0, 2, "a", "")], 2),
        ("answered and are not there", [Row(0, 1, "b", "")], 1),
        ("told to have failed", [Row(0, 1, "a", ""), Row(0, 2, "failed", "")], 2),
        ("never sent", [Row(0, 1, "a", ""), Row(0, 2, "c", "")], 2),
        ("was answered as", [Row(0, 2, "a", ""), Row(0, 1, "b", "")], 2),
        ("ran for another caller", [Row(0, 1, "a", "someone")], 1),
        ("and is", [Row(0, 1, "a", "")], 2),
        ("was never committed", [Row(0, 1, "a", ""), Row(0, 2, "b", "")], 2),
    ],
)
def test_a_wrong_row_is_noticed(why: str, rows: list[Row], number: int) -> None:
    ledger = Ledger(sent=dict.fromkeys(("a", "b", "failed"), ""), failed={"failed"}, done={"a": (0, 1)})
    ledger.states[0, 2] = ("2:ghost", "1:a")
    with pytest.raises(Wrong, match=why):
        ledger.judge(rows, {0: (number, number)}, [])
