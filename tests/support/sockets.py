"""Clients of the sync protocol, in this process: an event loop on a thread, and the app called without a network."""

from __future__ import annotations

import asyncio
import base64
import json
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from support.waiting import PATIENCE_SECONDS

START = {"querySet": 0, "identity": 0, "ts": "AAAAAAAAAAA="}


def time_of(text: str) -> int:
    return int.from_bytes(base64.b64decode(text), "little")


def encoded(time: int) -> str:
    return base64.b64encode(time.to_bytes(8, "little")).decode()


class Closed(Exception):
    """The server has closed the socket."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class SocketClient:
    """One socket. It checks of each frame what has to be true of any."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        app: Any,
        module: str,
        path: str,
        headers: dict[str, str],
        state: dict[str, Any],
    ) -> None:
        self._loop = loop
        self._module = module
        self._input: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._output: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._reads = asyncio.Event()
        self._reads.set()
        self.version: dict[str, Any] = dict(START)
        self.values: dict[int, Any] = {}
        """What the client knows of its queries: values, and errors as the frames that tell of them."""
        self._responses: dict[int, int] = {}
        self.taken = 0
        """How many messages the server has read."""
        scope = {
            "type": "websocket",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "scheme": "ws",
            "client": ("127.0.0.1", 50_000),
            "subprotocols": [],
            "state": state,
            "extensions": {},
        }
        self.task = asyncio.run_coroutine_threadsafe(app(scope, self._receive, self._send), loop)
        self._put({"type": "websocket.connect"})
        answer = self._output.get(timeout=PATIENCE_SECONDS)
        if answer["type"] == "websocket.close":
            raise Closed(answer["code"], answer.get("reason", ""))
        assert answer["type"] == "websocket.accept"

    # The server's side, on its loop.

    async def _receive(self) -> dict[str, Any]:
        message = await self._input.get()
        self.taken += 1
        return message

    async def _send(self, message: dict[str, Any]) -> None:
        await self._reads.wait()
        self._output.put(message)

    # The client's side, on the thread of the test.

    def _put(self, message: dict[str, Any]) -> None:
        self._loop.call_soon_threadsafe(self._input.put_nowait, message)

    def send(self, **message: Any) -> None:
        self.send_text(json.dumps(message))

    def send_text(self, text: str) -> None:
        self._put({"type": "websocket.receive", "text": text})

    def leave(self) -> None:
        """The client goes away, and its side of the app ends."""
        self._put({"type": "websocket.disconnect", "code": 1005})
        self._loop.call_soon_threadsafe(self._reads.set)
        self.task.result(PATIENCE_SECONDS)

    def stop_reading(self) -> None:
        self._loop.call_soon_threadsafe(self._reads.clear)

    def read_again(self) -> None:
        self._loop.call_soon_threadsafe(self._reads.set)

    def receive_text(self) -> str:
        """The next frame as it is, unchecked."""
        text: str = self._output.get(timeout=PATIENCE_SECONDS)["text"]
        return text

    def receive(self, timeout: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """The next frame.

        Raises:
            Closed: There is none any more.
            queue.Empty: There was none in time.
        """
        message = self._output.get(timeout=timeout)
        if message["type"] == "websocket.close":
            raise Closed(message["code"], message.get("reason", ""))
        frame: dict[str, Any] = json.loads(message["text"])
        if frame["type"] == "Transition":
            self._check_transition(frame)
        if frame["type"] in ("MutationResponse", "ActionResponse"):
            assert frame["logLines"] == []
            if frame["success"] and frame["type"] == "MutationResponse":
                self._responses[frame["requestId"]] = time_of(frame["ts"])
        return frame

    def _check_transition(self, frame: dict[str, Any]) -> None:
        assert frame["startVersion"] == self.version
        before, self.version = self.version, frame["endVersion"]
        assert time_of(self.version["ts"]) >= time_of(before["ts"])
        assert all(self.version[name] >= before[name] for name in ("querySet", "identity"))
        assert time_of(self.version["ts"]) >= max(self._responses.values(), default=0)
        assert ("serverTs" in frame) == ("clientClockSkew" in frame)
        assert all(type(frame[name]) is int for name in ("serverTs", "clientClockSkew") if name in frame)
        for each in frame["modifications"]:
            number = each["queryId"]
            if each["type"] == "QueryRemoved":
                self.values.pop(number, None)
                continue
            assert each["logLines"] == []
            self.values[number] = each["value"] if each["type"] == "QueryUpdated" else each

    def receive_type(self, kind: str) -> dict[str, Any]:
        """The next frame but pings, which is of this type."""
        frame = self.receive()
        while frame["type"] == "Ping":
            frame = self.receive()
        assert frame["type"] == kind, f"{frame}"[:1000]
        return frame

    def wait_for(self, values: dict[int, Any]) -> None:
        """Receive until the client knows these values."""
        until = time.monotonic() + PATIENCE_SECONDS
        while self.values != values:
            assert time.monotonic() < until, self.values
            self.receive()

    def _full(self, path: str) -> str:
        return path if ":" in path else f"{self._module}:{path}"

    def connect(self, session: str = "8c1a7ea5-f9f0-4f9a-9d4e-5b9f1c0e0001", **more: Any) -> None:
        self.send(type="Connect", sessionId=session, connectionCount=0, lastCloseReason="InitialConnect", **more)

    def modify(self, *, add: dict[int, Any] | None = None, remove: tuple[int, ...] = (), base: int = 0) -> None:
        """Change the query set. ``add``: by id, a path, or a path and arguments, or those and a journal."""
        modifications: list[dict[str, Any]] = [{"type": "Remove", "queryId": number} for number in remove]
        for number, query in (add or {}).items():
            path, args, *journal = query if isinstance(query, tuple) else (query, {})
            known = {"journal": journal[0]} if journal else {}
            modifications.append(
                {"type": "Add", "queryId": number, "udfPath": self._full(path), "args": [args], **known}
            )
        self.send(type="ModifyQuerySet", baseVersion=base, newVersion=base + 1, modifications=modifications)

    def mutate(self, number: int, path: str, **args: Any) -> None:
        self.send(type="Mutation", requestId=number, udfPath=self._full(path), args=[args])

    def act(self, number: int, path: str, **args: Any) -> None:
        self.send(type="Action", requestId=number, udfPath=self._full(path), args=[args])


def end_of(client: SocketClient) -> Closed:
    """How the server has ended a socket."""
    while True:
        try:
            client.receive()
        except Closed as closed:
            return closed


class Sockets:
    """The loop of a server, and the clients on it."""

    def __init__(self, app: Any, functions: ModuleType) -> None:
        self.app = app
        self._module = functions.__name__
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.clients: list[SocketClient] = []
        self.state: dict[str, Any] = {}
        """What the server says of itself in each scope."""

    def open(self, path: str = "/api/1.49.0/sync", **headers: str) -> SocketClient:
        """A socket on which nothing was said."""
        client = SocketClient(self.loop, self.app, self._module, path, headers, dict(self.state))
        self.clients.append(client)
        return client

    def connect(self, **more: Any) -> SocketClient:
        """A socket that is connected, and has no queries."""
        client = self.open()
        client.connect(**more)
        client.modify()
        client.receive_type("Transition")
        return client

    def close(self) -> None:
        for client in self.clients:
            client.leave()
        asyncio.run_coroutine_threadsafe(self._wait_for_calls(), self.loop).result(PATIENCE_SECONDS)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    async def _wait_for_calls(self) -> None:
        """What runs for clients goes on when they have left."""
        if tasks := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(tasks)


@contextmanager
def serving(app: Any, functions: ModuleType) -> Iterator[Sockets]:
    """A server for the length of a block. ``functions``: the file whose functions are called by their bare names."""
    sockets = Sockets(app, functions)
    try:
        yield sockets
    finally:
        sockets.close()
