"""What one connection shows a client, frame by frame, and whether the protocol allows it.

Written from the protocol alone: it imports nothing of convexpy.
"""

from __future__ import annotations

import base64
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from .history import History
from .ledger import RECENT, Ledger

Frame = dict[str, Any]
START: Final = {"querySet": 0, "identity": 0, "ts": "AAAAAAAAAAA="}
QUERIES: Final = ("one", "other", "recent")


def time_of(text: str) -> int:
    return int.from_bytes(base64.b64decode(text), "little")


@dataclass(eq=False)
class Promise:
    """A call of a client, from the time it is made until its promise is resolved."""

    number: int
    kind: str
    path: str
    key: int
    token: str
    result: int | None = None
    time: int | None = None
    """Of the response. The promise resolves with the first Transition that is as late, or later."""
    connections: int = 0
    """On how many it was sent."""


@dataclass
class Query:
    """A subscription, and its value on this connection."""

    name: str
    key: int
    value: Any = None
    is_known: bool = False


@dataclass
class View:
    """Of one connection."""

    ledger: Ledger
    history: History
    resolved: Callable[[Promise, bool], None]
    """A promise is resolved, or rejected."""
    reached: dict[int, int]
    """The largest number of each key that the client was shown, on any connection."""
    observed: int = 0
    """The largest time that the client has seen."""
    version: Frame = field(default_factory=lambda: dict(START))
    queries: dict[int, Query] = field(default_factory=dict)
    sets: dict[int, frozenset[int]] = field(default_factory=lambda: {0: frozenset()})
    """The queries of each version of the query set."""
    callers: list[str] = field(default_factory=lambda: [""])
    """On whose behalf the client reads, by the version of its identity."""
    mutations: deque[Promise] = field(default_factory=deque)
    """In the order in which they were sent, until they are answered."""
    actions: dict[int, Promise] = field(default_factory=dict)
    answered: list[Promise] = field(default_factory=list)
    """Mutations that wait for a Transition."""
    is_owed: bool = False
    """Whether a Transition has to come."""
    _chunks: list[str] = field(default_factory=list)
    _chunk_name: str = ""
    _last_response: int = 0
    _began: bool = False

    def received(self, text: str) -> None:
        """Check the next frame.

        Raises:
            Wrong: The protocol does not allow it, or what it says is not true.
        """
        frame = json.loads(text)
        kind = frame.get("type")
        self.ledger.counts[str(kind)] += 1
        if kind != "Ping":
            self.history.add(f"<- {text}")
        if self._chunks and kind not in ("TransitionChunk", "Ping"):
            raise self.history.wrong(f"a {kind} between the pieces of a Transition")
        match kind:
            case "Transition":
                self._transition(frame)
            case "TransitionChunk":
                self._chunk(frame)
            case "MutationResponse":
                self._mutation_response(frame)
            case "ActionResponse":
                self._action_response(frame)
            case "Ping":
                pass
            case "AuthError":
                if frame["baseVersion"] != self.version["identity"]:
                    raise self.history.wrong("an AuthError of another version than that of the last Transition")
            case _:
                raise self.history.wrong(f"the server sends {text[:200]}")

    def _chunk(self, frame: Frame) -> None:
        if not self._chunks:
            self._chunk_name = frame["transitionId"]
        if frame["transitionId"] != self._chunk_name or frame["partNumber"] != len(self._chunks):
            raise self.history.wrong("a piece of a Transition is out of order")
        self._chunks.append(frame["chunk"])
        if len(self._chunks) == frame["totalParts"]:
            text, self._chunks = "".join(self._chunks), []
            self.received(text)

    # Responses.

    def _mutation_response(self, frame: Frame) -> None:
        promise = self.mutations.popleft() if self.mutations else None
        if promise is None or promise.number != frame["requestId"]:
            raise self.history.wrong(f"a response that is not the next one: {promise}")
        self._check_lines(frame)
        self.is_owed = True
        if not frame["success"]:
            if frame["ts"] is not None:
                raise self.history.wrong("a failed mutation has a time")
            self._resolve(promise, succeeds=False)
            return
        time = time_of(frame["ts"])
        if time <= self._last_response:
            raise self.history.wrong("the times of mutations do not increase")
        self._last_response = time
        result = int(frame["result"])
        if promise.result not in (None, result):
            raise self.history.wrong(f"{promise} was sent again, and has another result")
        promise.result, promise.time = result, time
        self.answered.append(promise)

    def _action_response(self, frame: Frame) -> None:
        promise = self.actions.pop(frame["requestId"], None)
        if promise is None:
            raise self.history.wrong("a response to an action that was not called")
        self._check_lines(frame)
        self.is_owed = True
        if frame["success"] and frame["result"] != promise.token:
            raise self.history.wrong(f"{promise} has the result of another one")
        self._resolve(promise, succeeds=frame["success"])

    def _check_lines(self, frame: Frame) -> None:
        if frame["logLines"] != []:
            raise self.history.wrong("logLines is not an empty list")

    def _resolve(self, promise: Promise, *, succeeds: bool) -> None:
        self.resolved(promise, succeeds)

    # Transitions.

    def _transition(self, frame: Frame) -> None:
        start, end = frame["startVersion"], frame["endVersion"]
        if start != self.version:
            raise self.history.wrong(f"a Transition begins at {start}, and the one before ended at {self.version}")
        time = time_of(end["ts"])
        if time < time_of(start["ts"]) or (not self._began and time < self.observed):
            raise self.history.wrong("time goes back")
        if end["querySet"] not in self.sets or not start["identity"] <= end["identity"] < len(self.callers):
            raise self.history.wrong("a Transition to a version that was not asked for")
        if end["querySet"] < start["querySet"]:
            raise self.history.wrong("the query set goes back")
        self._began, self.version, self.observed, self.is_owed = True, end, max(self.observed, time), False
        self._modify(frame["modifications"], self.sets[end["querySet"]])
        self._check_values(self.sets[end["querySet"]])
        self._check_own(time)

    def _modify(self, modifications: list[Frame], held: frozenset[int]) -> None:
        for each in modifications:
            query = self.queries.get(each["queryId"])
            if each["type"] == "QueryRemoved":
                if query is None or each["queryId"] in held:
                    raise self.history.wrong("a query is removed that the client wants, or does not know")
                query.is_known = False
                continue
            if each["type"] != "QueryUpdated" or query is None:
                raise self.history.wrong(f"a modification: {str(each)[:300]}")
            self._check_lines(each)
            query.value, query.is_known = each["value"], True

    def _check_values(self, held: frozenset[int]) -> None:
        known = {number for number, query in self.queries.items() if query.is_known}
        if known != held:
            raise self.history.wrong(f"there are values of the queries {sorted(known)}, and not of {sorted(held)}")
        for query in (self.queries[number] for number in held):
            if query.name == "who" and query.value != self.callers[self.version["identity"]]:
                wanted = self.callers[self.version["identity"]]
                raise self.history.wrong(f"results of {query.value!r} are shown to {wanted!r}")
        for key in {self.queries[number].key for number in held if self.queries[number].name in QUERIES}:
            self._check_key(key)

    def _check_key(self, key: int) -> None:
        one, other, recent = (self.value(name, key) for name in QUERIES)
        shown = int(recent[0].partition(":")[0]) if recent else 0
        if not int(one) == int(other) == shown:
            raise self.history.wrong(f"key {key} is {one}, {other} and {shown} in one Transition")
        large = self.value("large", key)
        if large is not None and int(large.partition(":")[0]) != shown:
            raise self.history.wrong(f"key {key} is {shown}, and {large[:10]} in the large value")
        if shown < self.reached.get(key, 0):
            raise self.history.wrong(f"key {key} goes back from {self.reached[key]} to {shown}")
        self.reached[key] = shown
        if problem := self.ledger.see(key, shown, recent):
            raise self.history.wrong(problem)

    def value(self, name: str, key: int) -> Any:
        """The value of a query that the client holds now. None: it has none."""
        for number in self.sets[self.version["querySet"]]:
            query = self.queries[number]
            if (query.name, query.key) == (name, key):
                return query.value
        return None

    def _check_own(self, time: int) -> None:
        """A mutation shows from the first Transition of its time on, and in none that is sent before."""
        covered = [promise for promise in self.answered if promise.time is not None and promise.time <= time]
        self.answered = [promise for promise in self.answered if promise not in covered]
        for promise in [*self.answered, *self.mutations]:
            if promise.connections == 1 and self._shows(promise):
                raise self.history.wrong(f"{promise} is seen too early: at {time}")
        for promise in covered:
            reached = self.value("one", promise.key)
            if reached is not None and promise.result is not None:
                is_recent = promise.result > int(reached) - RECENT
                if int(reached) < promise.result or (is_recent and not self._shows(promise)):
                    raise self.history.wrong(f"{promise} is not seen in the first Transition of its time, {time}")
            self._resolve(promise, succeeds=True)

    def _shows(self, promise: Promise) -> bool:
        recent = self.value("recent", promise.key)
        return recent is not None and any(entry.partition(":")[2] == promise.token for entry in recent)
