"""A client of the sync protocol that does what npm's does: one session, and what was not answered is sent again."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import time
from typing import Any, Final
from uuid import UUID

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidState

from .history import History
from .ledger import Ledger
from .tokens import Issuer
from .view import QUERIES, Promise, Query, View

VERSION: Final = "1.49.0"
OPEN_SECONDS: Final = 8.0
PATIENCE: Final = (4.0, 12.0)
"""After so many seconds without a frame it connects again, if it waits for something."""
SILENCE_SECONDS: Final = 40.0
"""And after so many in any case: the server sends a Ping in time."""
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 2.0
LARGE: Final = 5_200_000
FATAL: Final = frozenset({1002, 1003, 1007, 1008, 1009})


class Client:
    """One session, over any number of connections."""

    def __init__(self, name: str, port: int, ledger: Ledger, issuer: Issuer, rng: random.Random, keys: int) -> None:
        self.name = name
        self.history = History(name)
        self._port = port
        self._ledger = ledger
        self._issuer = issuer
        self._rng = rng
        self._keys = keys
        self._session = str(UUID(int=rng.getrandbits(128), version=4))
        self._requests = 0
        self._connections = 0
        self._reason = "InitialConnect"
        self._pending: dict[int, Promise] = {}
        self._futures: dict[int, asyncio.Future[bool]] = {}
        self._next_query = 0
        self._wanted: dict[int, Query] = {}
        self._caller: str | None = None
        self._observed = 0
        self._reached: dict[int, int] = {}
        self._view: View | None = None
        self._socket: ClientConnection | None = None
        self.key = rng.randrange(keys)
        self.watch(self.key)

    # What a program does with it.

    def watch(self, key: int, *, is_large: bool = False) -> None:
        """Subscribe to a key, instead of the one before."""
        queries = [Query(name, key) for name in (*QUERIES, *(("large",) if is_large else ()))]
        added = {}
        for query in [*queries, *([] if self._wanted else [Query("who", -1)])]:
            added[self._next_query] = query
            self._next_query += 1
        removed = [number for number, query in self._wanted.items() if query.name != "who"]
        self.key = key
        self._wanted = {number: query for number, query in self._wanted.items() if number not in removed} | added
        if self._view is not None:
            self._modify(self._view, removed, added)

    def log_in(self, caller: str | None, seconds: float = 3600.0) -> None:
        """Call on behalf of somebody from now on: of somebody else only while no mutation runs. None: of nobody."""
        self._caller = caller
        if self._view is not None:
            self._authenticate(self._view, seconds)

    async def call(self, kind: str, path: str, token: str, key: int = -1) -> bool:
        """Call a mutation or an action. Whether it succeeded."""
        promise = Promise(self._requests, kind, path, key, token)
        self._requests += 1
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._futures[promise.number] = future
        self._pending[promise.number] = promise
        if kind == "Mutation":
            self._ledger.sent[token] = self.caller
        else:
            self._ledger.acts_sent.add(token)
        if self._view is not None:
            self._call(self._view, promise)
        return await future

    @property
    def caller(self) -> str:
        return "" if self._caller is None else self._caller

    @property
    def is_idle(self) -> bool:
        """Whether none of its calls runs, and no Transition has to come."""
        return not self._pending and self._view is not None and not self._view.is_owed

    def reached(self, key: int) -> int | None:
        """What it shows of a key now. None: it is not connected, or shows nothing."""
        view = self._view
        value = None if view is None or view.version["querySet"] != max(view.sets) else view.value("one", key)
        return None if value is None else int(value)

    def leave(self) -> None:
        """Break the connection, as a client does that goes out of reach."""
        if self._socket is not None:
            self._socket.transport.abort()

    # Its connections.

    async def run(self) -> None:
        """Stay connected, without end.

        Raises:
            Wrong: The server did what it must not do.
        """
        pause = FIRST_PAUSE
        while True:
            began = self._observed
            try:
                await self._connection()
            except (OSError, ConnectionClosed, InvalidHandshake, EOFError, TimeoutError) as error:
                self._reason = self._reason_of(error)
            self.history.add(f"-- {self._reason}")
            self._view = self._socket = None
            for promise in [each for each in self._pending.values() if each.kind == "Action" and each.connections]:
                self._settle(promise)
            pause = FIRST_PAUSE if self._observed > began else min(2 * pause, LONGEST_PAUSE)
            await asyncio.sleep(pause * self._rng.uniform(0.2, 1.0))

    def _reason_of(self, error: Exception) -> str:
        if not isinstance(error, ConnectionClosed):
            self._ledger.counts[type(error).__name__] += 1
            return type(error).__name__
        code = error.rcvd.code if error.rcvd is not None else 1006
        self._ledger.counts[f"closed {code}"] += 1
        if code in FATAL:
            raise self.history.wrong(f"the server closes with {code} {error}")
        return f"closed with code {code}"

    async def _connection(self) -> None:
        url = f"ws://127.0.0.1:{self._port}/api/{VERSION}/sync"
        async with connect(
            url, max_size=None, compression=None, ping_interval=None, open_timeout=OPEN_SECONDS, close_timeout=1
        ) as socket:
            self._socket = socket
            view = View(self._ledger, self.history, self._resolved, self._reached, self._observed)
            self._open(view)
            patience = self._rng.uniform(*PATIENCE)
            try:
                while True:
                    async with asyncio.timeout(patience if self._pending else SILENCE_SECONDS):
                        text = await socket.recv()
                    assert isinstance(text, str)
                    view.received(text)
                    self._observed = view.observed
                    self._end_large(view)
            except TimeoutError:
                socket.transport.abort()
                raise

    def _open(self, view: View) -> None:
        """Say what a new connection begins with."""
        connect_frame = {
            "type": "Connect",
            "sessionId": self._session,
            "connectionCount": self._connections,
            "lastCloseReason": self._reason,
            "clientTs": time.time_ns() // 1_000_000,
        }
        if self._observed:
            connect_frame["maxObservedTimestamp"] = encoded(self._observed)
        self._connections += 1
        self._view = view
        self._send(connect_frame)
        if self._caller is not None:
            self._authenticate(view, self._rng.choice((2.0, 3600.0, 3600.0, 3600.0)))
        self._wanted = {number: Query(query.name, query.key) for number, query in self._wanted.items()}
        self._modify(view, [], self._wanted)
        for promise in sorted(self._pending.values(), key=lambda each: each.number):
            self._call(view, promise)

    def _modify(self, view: View, removed: list[int], added: dict[int, Query]) -> None:
        base = max(view.sets)
        view.queries |= added
        view.sets[base + 1] = (view.sets[base] - set(removed)) | added.keys()
        modifications: list[dict[str, Any]] = [{"type": "Remove", "queryId": number} for number in removed]
        for number, query in added.items():
            args = {} if query.name == "who" else {"key": query.key}
            more = {"letters": LARGE} if query.name == "large" else {}
            path = f"counters:{query.name}"
            modifications.append({"type": "Add", "queryId": number, "udfPath": path, "args": [args | more]})
        self._send(
            {"type": "ModifyQuerySet", "baseVersion": base, "newVersion": base + 1, "modifications": modifications}
        )

    def _end_large(self, view: View) -> None:
        """A large value is looked at once."""
        large = [number for number in self._wanted if view.queries[number].name == "large"]
        if large and view.queries[large[0]].is_known:
            del self._wanted[large[0]]
            self._modify(view, large, {})

    def _authenticate(self, view: View, seconds: float) -> None:
        frame: dict[str, Any] = {"type": "Authenticate", "baseVersion": len(view.callers) - 1, "tokenType": "None"}
        if self._caller is not None:
            frame |= {"tokenType": "User", "value": self._issuer.token(self._caller, seconds)}
        view.callers.append(self.caller)
        self._send(frame)

    def _call(self, view: View, promise: Promise) -> None:
        promise.connections += 1
        promise.time = None
        args: dict[str, Any] = {"token": promise.token}
        if promise.kind == "Mutation":
            view.mutations.append(promise)
            args["key"] = promise.key
        else:
            view.actions[promise.number] = promise
        path = f"counters:{promise.path}"
        self._send({"type": promise.kind, "requestId": promise.number, "udfPath": path, "args": [args]})

    def _send(self, frame: dict[str, Any]) -> None:
        """Write a frame at once: nothing may come between what the view knows and what the server gets."""
        text = json.dumps(frame)
        self.history.add(f"-> {text}")
        socket = self._socket
        assert socket is not None
        try:
            socket.protocol.send_text(text.encode())
        except InvalidState:  # it is being closed: the next connection begins anew
            return
        for data in socket.protocol.data_to_send():
            socket.transport.write(data)

    # Promises.

    def _resolved(self, promise: Promise, succeeds: bool) -> None:
        problem = None
        if promise.kind == "Mutation":
            if succeeds and promise.result is not None:
                problem = self._ledger.resolve(promise.token, promise.key, promise.result)
            else:
                self._ledger.counts[f"failed: {promise.path}"] += 1
                problem = self._ledger.reject(promise.token)
            if succeeds is (promise.path != "add"):
                problem = problem or f"{promise} succeeds: {succeeds}"
        elif succeeds:
            self._ledger.acts_done.add(promise.token)
        if problem is not None:
            raise self.history.wrong(problem)
        self._settle(promise, succeeds=succeeds)

    def _settle(self, promise: Promise, *, succeeds: bool = False) -> None:
        del self._pending[promise.number]
        self._futures.pop(promise.number).set_result(succeeds)


def encoded(observed: int) -> str:
    """A time as the protocol has it."""
    return base64.b64encode(observed.to_bytes(8, "little")).decode()
