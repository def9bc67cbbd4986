"""A project that a server serves, and clients of it over the network."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from .process import DEADLINE_SECONDS, Process
from .shop import Shop

WORK = """
    import time
    from pathlib import Path

    from convexpy import MutationCtx, QueryCtx, mutation, query

    from .models import Order


    @query
    def version(ctx: QueryCtx) -> str:
        return "old"


    @mutation
    def wait_for_gate(ctx: MutationCtx, order_id: str) -> str:
        ctx.db.add(Order(id=order_id))
        Path("waits").touch()
        while not Path("gate").exists():
            time.sleep(0.01)
        return order_id
"""


@contextmanager
def served_shop(folder: Path) -> Iterator[Shop]:
    """A project with its development database, for as long as several tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", sys.path.copy())
        shop = Shop(folder)
        shop.write("shop/work.py", WORK)
        shop.make_database()
        yield shop


class Connection:
    """A socket of the sync protocol."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.send("Connect", sessionId="5e55", connectionCount=0, lastCloseReason=None, clientTs=0)

    def send(self, kind: str, **message: Any) -> None:
        self._socket.send(json.dumps({"type": kind, **message}))

    def subscribe(self, path: str) -> None:
        query = {"type": "Add", "queryId": 0, "udfPath": path, "args": [{}]}
        self.send("ModifyQuerySet", baseVersion=0, newVersion=1, modifications=[query])

    def mutate(self, number: int, path: str, **arguments: Any) -> None:
        self.send("Mutation", requestId=number, udfPath=path, args=[arguments])

    def receive(self, kind: str) -> dict[str, Any]:
        """The next message of this type."""
        while True:
            message: dict[str, Any] = json.loads(self._socket.recv(DEADLINE_SECONDS))
            if message["type"] == kind:
                return message

    def values(self) -> Iterator[Any]:
        """The results of the query, as they come."""
        while True:
            for change in self.receive("Transition")["modifications"]:
                yield change["value"]

    def close_code(self) -> int | None:
        """With which code the server closes the socket, waited for."""
        try:
            while True:
                self._socket.recv(DEADLINE_SECONDS)
        except ConnectionClosed as closed:
            return closed.rcvd and closed.rcvd.code


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """A socket to a server, as the official client opens one."""
    with connect(f"{url.replace('http', 'ws', 1)}/api/1.49.0/sync", max_size=None) as socket:
        yield Connection(socket)


def call(url: str, kind: str, path: str, **arguments: Any) -> Any:
    """Call a function over HTTP and return its value."""
    answer = httpx.post(f"{url}/api/{kind}", json={"path": path, "args": arguments}, timeout=DEADLINE_SECONDS).json()
    assert answer["status"] == "success", answer
    return answer["value"]


def url_in(process: Process, pattern: str) -> str:
    """The address in the next line of the log that matches."""
    line = process.line(pattern)
    return line[line.index("http://") :].split('"')[0].strip()
