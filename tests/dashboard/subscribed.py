"""What the pages of the dashboard subscribe to, as a tab has sent it, and the same without a browser."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from .demo_server import DemoServer

SAMPLES = 200
FIRST = 10
"""So many are not counted: they open connections and compile statements."""


@dataclass(frozen=True)
class Query:
    """A query with its arguments, as JSON."""

    path: str
    args: str


@dataclass
class Subscriptions:
    """The queries of each page. The last arguments of a query stand for the others."""

    of_page: dict[str, dict[str, Query]] = field(default_factory=lambda: defaultdict(dict))
    cookie: str = ""

    def note(self, page: str, frame: str) -> None:
        """A tab has sent this while it showed a page."""
        with suppress(ValueError):
            for change in json.loads(frame).get("modifications", []):
                if change["type"] == "Add":
                    query = Query(change["udfPath"], json.dumps(change["args"][0]))
                    self.of_page[page][query.path] = query

    @contextmanager
    def open(self, server: DemoServer, page: str) -> Iterator[None]:
        """Subscribe to those of a page, over a socket of its own whose values are dropped."""
        url = f"{server.url.replace('http', 'ws', 1)}/dashboard/api/sync"
        headers = {"Cookie": self.cookie}
        with connect(url, additional_headers=headers, origin=server.url, max_size=None) as socket:  # type: ignore[arg-type]
            session = {"sessionId": str(uuid.uuid4()), "connectionCount": 0, "lastCloseReason": "InitialConnect"}
            socket.send(json.dumps({"type": "Connect", **session}))
            added = [
                {"type": "Add", "queryId": number, "udfPath": query.path, "args": [json.loads(query.args)]}
                for number, query in enumerate(self.of_page[page].values())
            ]
            change = {"type": "ModifyQuerySet", "baseVersion": 0, "newVersion": 1, "modifications": added}
            socket.send(json.dumps(change))
            reader = threading.Thread(target=drop_all, args=[socket], daemon=True)
            reader.start()
            yield
            assert reader.is_alive(), "the server has closed the socket"


def drop_all(socket: Any) -> None:
    with suppress(ConnectionClosed):
        for _ in socket:
            pass


def query_times(server: DemoServer, subscriptions: Subscriptions) -> dict[str, list[float]]:
    """Milliseconds of each query over HTTP, one after the other, by its path."""
    queries = {query.path: query for page in subscriptions.of_page.values() for query in page.values()}
    found: dict[str, list[float]] = {}
    headers = {"Authorization": f"Convex {server.key}", "Content-Type": "application/json"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=60) as client:
        for path, query in sorted(queries.items()):
            body = json.dumps({"path": path, "args": json.loads(query.args), "format": "json"})
            times = []
            for _ in range(FIRST + SAMPLES):
                began = time.perf_counter()
                answer = client.post("/api/query", content=body)
                times.append((time.perf_counter() - began) * 1000)
                assert answer.json()["status"] == "success", f"{path} {query.args}: {answer.text[:500]}"
            found[path] = times[FIRST:]
    return found
