"""Every async action of an app runs on one event loop, however it is called: what belongs to a loop serves all runs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import Any

import pytest
from support.apps import app_of

from convexpy import ActionCtx, Convex, ConvexError, MutationCtx, SyncActionCtx, action, mutation
from convexpy.testing import ConvexTest

loops: Queue[asyncio.AbstractEventLoop] = Queue()
events: Queue[str] = Queue()
request_id: ContextVar[str] = ContextVar("request_id", default="none")


@action
async def note_loop(ctx: ActionCtx) -> None:
    loops.put(asyncio.get_running_loop())


@action
def call_it(ctx: SyncActionCtx) -> None:
    ctx.run_action(note_loop)


@action
async def await_it(ctx: ActionCtx) -> None:
    await ctx.run_action(note_loop)


@mutation
def schedule_it(ctx: MutationCtx) -> None:
    ctx.schedule.now(note_loop)


@action
async def see_context(ctx: ActionCtx) -> str:
    return request_id.get()


@action
async def fail(ctx: ActionCtx) -> None:
    raise ConvexError("CONFLICT", "it failed")


@action
async def wait_for_ever(ctx: ActionCtx) -> None:
    events.put("begun")
    try:
        await asyncio.Event().wait()
    finally:
        events.put("canceled")


APP = app_of(note_loop, call_it, await_it, schedule_it, see_context, fail, wait_for_ever)


@pytest.fixture
def convex(database: str) -> Iterator[Convex]:
    with Convex(database, functions=APP) as convex:
        convex.migrate()
        yield convex


def test_every_run_of_an_async_action_is_on_one_loop(convex: Convex) -> None:
    with convex.running():
        for function in (note_loop, call_it, await_it):
            convex.run(function)
            asyncio.run(convex.run_async(function))
        asyncio.run(convex.call_async("made:note_loop"))
        convex.run(schedule_it)
        found = [loops.get(timeout=60) for _ in range(8)]  # three called twice, one by name, one as a job
    assert len(set(map(id, found))) == 1


def test_the_test_kit_does_the_same() -> None:
    with ConvexTest(APP) as convex:
        convex.run(note_loop)
        asyncio.run(convex.run_async(note_loop))
        convex.run(schedule_it)
        convex.run_due()
        assert loops.get(timeout=60) is loops.get(timeout=20) is loops.get(timeout=20)


def test_context_and_errors_pass_between_the_loops(convex: Convex) -> None:
    async def request() -> str:
        request_id.set("7")
        with pytest.raises(ConvexError, match="it failed"):
            await convex.run_async(fail)
        return await convex.run_async(see_context)

    assert asyncio.run(request()) == "7"


def test_a_canceled_caller_cancels_its_action(convex: Convex) -> None:
    async def impatient() -> None:
        waiting = asyncio.ensure_future(convex.run_async(wait_for_ever))
        await asyncio.to_thread(events.get, timeout=60)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(impatient())
    assert events.get(timeout=60) == "canceled"


class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # the connection stays open, and goes back to the client's pool

    def do_GET(self) -> None:
        connections.add(self.client_address)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: Any) -> None:
        pass


connections: set[Any] = set()


def test_a_pooled_http_client_serves_every_run(database: str) -> None:
    httpx = pytest.importorskip("httpx", reason="httpx is not installed: pip install 'convexpy[dev]'")
    client = httpx.AsyncClient()  # as at the top of a module
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    @action
    async def fetch(ctx: ActionCtx) -> str:
        return (await client.get(f"http://127.0.0.1:{server.server_port}/")).text

    @action
    async def close(ctx: ActionCtx) -> None:
        await client.aclose()

    connections.clear()
    with Convex(database, functions=app_of(fetch, close)) as convex:
        convex.migrate()
        try:
            answers = [asyncio.run(convex.run_async(fetch)), convex.run(fetch), asyncio.run(convex.run_async(fetch))]
            assert answers == ["ok"] * 3
            assert len(connections) == 1
        finally:
            convex.run(close)
            server.shutdown()
            server.server_close()
