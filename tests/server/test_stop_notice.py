"""A server that stops tells what runs in it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from support.http_client import HttpClient

from convexpy import Convex, QueryCtx, query
from convexpy.server.stop_notice import STATE_KEY, StopNotice, notice_of


@query
def greet(ctx: QueryCtx) -> str:
    return "hello"


def test_it_is_not_ready_any_more_while_it_still_answers(tmp_path: Path) -> None:
    notice = StopNotice()
    with Convex(f"sqlite:///{tmp_path}/x.db", functions=sys.modules[__name__]) as convex:
        convex.migrate()
        inner = convex.asgi()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await inner({**scope, "state": {STATE_KEY: notice}}, receive, send)

        with HttpClient(app) as client:
            assert client.get("/ready").status_code == 200
            notice.has_come = True
            answer = client.get("/ready")
            assert (answer.status_code, answer.json()["reasons"]) == (503, ["the server stops"])
            assert client.get("/health").status_code == 200


def test_what_drains_is_waited_for_and_called_once() -> None:
    notice, calls = StopNotice(), []

    class Endpoint:
        async def drain(self, seconds: float) -> None:
            await asyncio.sleep(0)
            calls.append((seconds, notice.has_come))

    endpoint = Endpoint()
    for _ in range(2):
        notice.drain_with(endpoint.drain)
    asyncio.run(notice.give(3.0))
    assert calls == [(3.0, True)]


def test_another_server_has_no_notice() -> None:
    assert notice_of({}) is None
    assert notice_of({"state": {STATE_KEY: "something else"}}) is None
