"""The official client from PyPI, unchanged: HTTP and WebSocket, values, errors, a login, and a server that is killed.

It runs in a process of its own: its calls hold the GIL until they return.
"""

import asyncio
import os
import sys

import pytest
from convex import ConvexClient, ConvexError, ConvexInt64
from convex.http_client import ConvexHttpClient

URL = os.environ["SERVER_URL"]
EVERYTHING = {
    "text": "ünï 😀",
    "number": 0.1,
    "whole": 3,
    "big": ConvexInt64(2**63 - 1),
    "raw": b"\x00\x01\xff",
    "nothing": None,
    "flags": [True, False],
    "nested": {"a": -0.0, "b": float("inf")},
    "at": "2026-01-02T03:04:05Z",
}


def ask(what: str) -> None:
    """Ask the test to do something to the server."""
    print(f"@{what}", flush=True)
    sys.stdin.readline()


def over_http() -> None:
    client = ConvexHttpClient(URL)
    assert client.mutation("counters:add", {"name": "http"}) == 1.0
    assert client.query("counters:get", {"name": "http"}) == 1.0
    assert client.action("counters:add_twice", {"name": "http"}) == 3.0
    assert client.query("values:echo", {"value": EVERYTHING}) == EVERYTHING
    refuses(client, "http")


def refuses(client: ConvexClient | ConvexHttpClient, name: str) -> None:
    with pytest.raises(ConvexError) as refused:
        client.mutation("counters:refuse", {"name": name})
    assert refused.value.data == {"code": "CONFLICT", "message": "refused", "data": {"name": name}}
    with pytest.raises(Exception, match="Server Error") as crashed:
        client.mutation("counters:crash", {"name": name})
    assert not isinstance(crashed.value, ConvexError)


def over_a_socket() -> None:
    client = ConvexClient(URL)
    assert client.mutation("counters:add", {"name": "socket"}) == 1.0
    assert client.query("counters:get", {"name": "socket"}) == 1.0
    assert client.action("counters:add_twice", {"name": "socket"}) == 3.0
    assert client.query("values:echo", {"value": EVERYTHING}) == EVERYTHING
    refuses(client, "socket")
    values = client.subscribe("counters:get", {"name": "socket"})
    assert next(values) == 3.0
    client.set_auth(os.environ["USER_TOKEN"])
    assert client.query("values:who", {}) == "carol"
    client.clear_auth()
    assert client.query("values:who", {}) is None
    ask("kill")
    ask("start")
    assert client.mutation("counters:add", {"name": "socket"}) == 4.0
    while next(values) != 4.0:
        pass


async def follows() -> None:
    client = ConvexClient(URL)
    seen = []
    async for messages in client.subscribe("messages:list", {"channel": "pypi"}):
        seen.append(len(messages))
        if len(messages) == 3:
            break
        client.mutation("messages:send", {"channel": "pypi", "body": str(len(messages))})
    assert seen == sorted(seen), seen


over_http()
over_a_socket()
asyncio.run(follows())
print("passed", flush=True)
os._exit(0)
