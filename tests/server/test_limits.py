"""What one request may take: bytes (R1, R2), depth (R3), time (R5), and places among others (R4)."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.apps import app_of
from support.http_client import HttpClient, served

from convexpy import Convex, MutationCtx, QueryCtx, Settings, mutation, query
from convexpy.runtime.client_threads import WAITING_PER_THREAD
from convexpy.server.limits import RequestLimit
from convexpy.server.refusal import Refused

ME = __name__
MOST = 64 * 1024
JSON = {"content-type": "application/json"}


@query
def size(ctx: QueryCtx, value: Any) -> int:
    return len(json.dumps(value))


def body(value: object) -> bytes:
    return json.dumps({"path": f"{ME}:size", "args": {"value": value}}).encode()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpClient]:
    with served(sys.modules[ME], tmp_path_factory.mktemp("served"), Settings(max_body_bytes=MOST)) as (_, client):
        yield client


async def chunks(total: int) -> AsyncIterator[bytes]:
    for _ in range(total // 1024):
        yield b" " * 1024


def test_a_body_at_the_limit_is_read(client: HttpClient) -> None:
    content = body("x" * (MOST - len(body(""))))
    assert len(content) == MOST
    assert client.post("/api/query", content=content, headers=JSON).json()["status"] == "success"
    over = client.post("/api/query", content=content + b" ", headers=JSON)
    assert (over.status_code, over.json()["code"]) == (413, "PayloadTooLarge")


@pytest.mark.parametrize("path", ["/api/query", "/api/mutation", "/api/run/a/b", "/api/query_batch"])
def test_a_body_without_a_length_is_limited_too(client: HttpClient, path: str) -> None:
    tracemalloc.start()
    response = client.post(path, content=chunks(8 * 1024 * 1024), headers=JSON)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (response.status_code, response.json()["code"]) == (413, "PayloadTooLarge")
    assert peak < 1024 * 1024


@pytest.mark.parametrize("length", ["-1", "1e3", "9" * 30, "٣", "0x10"])
def test_a_length_that_is_no_number_is_refused(client: HttpClient, length: str) -> None:
    headers = {**JSON, "content-length": length} if length.isascii() else {**JSON, b"content-length": length.encode()}
    response = client.post("/api/query", content=b"{}", headers=headers)  # type: ignore[arg-type]
    assert response.status_code in (400, 413)


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "zstd", "gzip, identity"])
def test_a_compressed_body_is_refused(client: HttpClient, coding: str) -> None:
    response = client.post("/api/query", content=body(1), headers={**JSON, "content-encoding": coding})
    assert response.status_code == 415
    plain = client.post("/api/query", content=body(1), headers={**JSON, "content-encoding": "identity"})
    assert plain.json()["status"] == "success"


def test_json_is_read_down_to_the_limit(client: HttpClient) -> None:
    deep: object = 1
    for _ in range(62):  # the body and its args are the first two levels
        deep = [deep]
    assert client.post("/api/query", content=body(deep), headers=JSON).json()["status"] == "success"
    response = client.post("/api/query", content=body([deep]), headers=JSON)
    assert (response.status_code, response.json()["code"]) == (400, "BadJsonBody")


def test_a_body_that_never_ends_is_given_up() -> None:
    async def endless() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()

    async def run() -> None:
        scope = {"type": "http", "headers": [], "path": "/", "query_string": b""}
        with pytest.raises(Refused) as refused:
            await asyncio.wait_for(RequestLimit(app, MOST, seconds=0.01)(scope, endless, endless), 30)
        assert refused.value.status == 408

    asyncio.run(run())


def test_headers_and_addresses_are_limited(client: HttpClient) -> None:
    assert client.get("/health", headers={"x-long": "x" * 60_000}).status_code == 200
    assert client.get("/health", headers={"x-long": "x" * 70_000}).status_code == 431
    assert client.get("/health", headers=[(f"x-{number}", "x" * 700) for number in range(100)]).status_code == 431
    assert client.get("/health", params={"x": "x" * 60_000}).status_code == 200
    assert client.get("/" + "x" * 40_000, params={"x": "x" * 40_000}).status_code == 414


gate = threading.Event()
ran: list[int] = []


@mutation
def wait(ctx: MutationCtx, number: int = 0) -> None:
    gate.wait(30)
    ran.append(number)


@pytest.fixture
def crowded(tmp_path: Path) -> Iterator[Convex]:
    """An app with one thread for clients."""
    gate.clear()
    ran.clear()
    settings = Settings(request_concurrency=1)
    with Convex(f"sqlite:///{tmp_path}/x.db", functions=app_of(wait), settings=settings) as convex:
        convex.migrate()
        try:
            yield convex
        finally:
            gate.set()


def test_a_long_queue_is_refused(crowded: Convex) -> None:
    async def run() -> None:
        transport = httpx.ASGITransport(crowded.asgi())
        async with httpx.AsyncClient(transport=transport, base_url="http://shop.example") as client:
            call = {"path": "made:wait", "args": {}}
            waiting = [
                asyncio.create_task(client.post("/api/mutation", json=call)) for _ in range(WAITING_PER_THREAD + 2)
            ]
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            gate.set()
            (refused,) = [task.result() for task in done]
            assert (refused.status_code, refused.json()["code"]) == (503, "TooManyConcurrentRequests")
            answers = [await task for task in waiting if task not in done]
            assert all(answer.json()["status"] == "success" for answer in answers)

    asyncio.run(run())
    assert len(ran) == WAITING_PER_THREAD + 1


async def mutate(app: Any, messages: list[Any], left: asyncio.Event) -> list[Any]:
    """Send a request, and leave at an event. Returns what the server sent."""
    sent: list[Any] = []

    async def receive() -> Any:
        if messages:
            return messages.pop(0)
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/api/mutation", "headers": headers, "query_string": b""}
    await app(scope, receive, send)
    return sent


def test_a_client_that_leaves_while_it_sends_is_no_failure(crowded: Convex, caplog: Any) -> None:
    left = asyncio.Event()
    left.set()
    part = {"type": "http.request", "body": b"{", "more_body": True}
    sent = asyncio.run(mutate(crowded.asgi(), [part], left))
    assert sent[0]["status"] == 499
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_a_call_is_dropped_if_its_client_leaves_before_it_begins(crowded: Convex) -> None:
    app = crowded.asgi()

    async def request(number: int, left: asyncio.Event) -> None:
        content = json.dumps({"path": "made:wait", "args": {"number": number}}).encode()
        await mutate(app, [{"type": "http.request", "body": content}], left)

    async def run() -> None:
        leaves, stays = asyncio.Event(), asyncio.Event()
        first = asyncio.create_task(request(1, leaves))  # it has begun: it is finished, whoever has left
        while crowded.calls.client_threads._count == 0:
            await asyncio.sleep(0)
        second, third = asyncio.create_task(request(2, leaves)), asyncio.create_task(request(3, stays))
        while crowded.calls.client_threads._waiting.qsize() < 2:
            await asyncio.sleep(0)
        leaves.set()
        for _ in range(10):  # turns of the loop, in which the tasks read the message
            await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(first, second, third)

    asyncio.run(run())
    assert ran == [1, 3]
